namespace TurboDiffusion.Checkpoints;

/// <summary>
/// Where the values of a tensor lie in a file just as they do in memory, so that any part of them can be read into any place, by several
/// threads at once.
/// </summary>
public sealed class TensorLocation
{
    private readonly CheckpointFile _file;
    private readonly long _position;

    internal TensorLocation(CheckpointFile file, long position, TensorInfo info) => (_file, _position, Info) = (file, position, info);

    /// <summary>What the file's header says of it.</summary>
    public TensorInfo Info { get; }

    /// <summary>Reads a part of the values.</summary>
    /// <param name="offset">Bytes from the first value.</param>
    /// <param name="destination">Is filled.</param>
    /// <exception cref="CheckpointException">The file has no such bytes any more, or cannot be read.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The tensor has no such bytes.</exception>
    public void Read(long offset, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Info.ByteCount - destination.Length);
        _file.Read(_position + offset, destination);
    }
}
