using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// Reads into pinned memory, from which a GPU fetches the bytes while the next piece is read: two buffers in turn, each filled again only
/// when its copy is over.
/// </summary>
internal sealed unsafe class StagedPieceReader : IPieceReader
{
    private const int Buffers = 2;

    private readonly IPinnedCopies _copies;
    private readonly nint[] _buffers = new nint[Buffers];
    private int _next;

    /// <summary>Takes the buffers.</summary>
    /// <param name="copies">Pinned memory and a stream of its own; this object's.</param>
    public StagedPieceReader(IPinnedCopies copies)
    {
        _copies = copies;
        try
        {
            for (int i = 0; i < Buffers; i++) _buffers[i] = copies.Allocate(TensorReaders.PieceBytes);
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
        _next = (_next + 1) % Buffers;
        _copies.Wait(buffer);
        source.Read(offset, new Span<byte>((void*)_buffers[buffer], bytes));
        _copies.CopyToDevice((nint)target, _buffers[buffer], bytes, buffer);
    }

    public void Complete()
    {
        for (int buffer = 0; buffer < Buffers; buffer++) _copies.Wait(buffer);
    }

    public void Dispose()
    {
        foreach (nint buffer in _buffers.Where(b => b != 0)) _copies.Free(buffer);
        _copies.Dispose();
    }
}
