using TurboDiffusion.Runtime.Copies;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// Reads into pinned memory, from which a GPU fetches the bytes while the next piece is read: two buffers in turn, each filled again only
/// when its copy is over.
/// </summary>
internal sealed unsafe class StagedPieceReader : IPieceReader
{
    /// <summary>How many buffers there are, and slots of the copies.</summary>
    public const int Buffers = 2;

    private readonly IPinnedCopies _copies;
    private readonly PinnedMemory?[] _buffers = new PinnedMemory?[Buffers];
    private int _next;

    /// <summary>Takes the buffers.</summary>
    /// <param name="copies">A stream of its own; this object's.</param>
    public StagedPieceReader(IPinnedCopies copies)
    {
        _copies = copies;
        try
        {
            for (int i = 0; i < Buffers; i++) _buffers[i] = new PinnedMemory(copies, TensorReaders.PieceBytes);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public bool IsImmediate => false;

    public void Read(TensorLocation source, long offset, int bytes, byte* target)
    {
        int buffer = _next;
        nint address = _buffers[buffer]!.Address;
        _next = (_next + 1) % Buffers;
        _copies.Wait(buffer);
        source.Read(offset, new Span<byte>((void*)address, bytes));
        _copies.CopyToDevice((nint)target, address, bytes, buffer);
    }

    public void Complete()
    {
        for (int buffer = 0; buffer < Buffers; buffer++) _copies.Wait(buffer);
    }

    public void Dispose()
    {
        try
        {
            Complete();
        }
        finally
        {
            foreach (PinnedMemory? buffer in _buffers) buffer?.Dispose();
            _copies.Dispose();
        }
    }
}
