namespace TurboDiffusion.Checkpoints;

/// <summary>Reads straight into the tensors' memory: those of the CPU.</summary>
internal sealed unsafe class HostPieceReader : IPieceReader
{
    public bool IsImmediate => true;

    public void Read(TensorLocation source, long offset, int bytes, byte* target) => source.Read(offset, new Span<byte>(target, bytes));

    public void Complete()
    {
    }

    public void Dispose()
    {
    }
}
