using System.Buffers.Binary;
using System.Text;

namespace TurboDiffusion.Checkpoints.Gguf;

/// <summary>Reads the fields of a GGUF header in order, through a small buffer: memory stays bounded whatever the file claims.</summary>
internal sealed class GgufInput(CheckpointFile file)
{
    private readonly byte[] _buffer = new byte[64 << 10];
    private long _bufferStart;
    private int _bufferLength;

    /// <summary>Where the next field begins.</summary>
    public long Position { get; private set; }

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    /// <summary>A count that must be at most a limit.</summary>
    public int Count(int limit, string of)
    {
        ulong count = UInt64();
        return count <= (ulong)limit ? (int)count : throw Bad($"claims {count} {of} (limit {limit})");
    }

    /// <summary>A string of at most <paramref name="limit"/> bytes.</summary>
    public string String(int limit)
    {
        int length = Count(limit, "bytes in a text");
        try
        {
            return Strict.GetString(Take(length));
        }
        catch (DecoderFallbackException e)
        {
            throw new CheckpointException(file.Path, "has a text that is not valid UTF-8. It is damaged.", e);
        }
    }

    /// <summary>Passes over bytes without reading them.</summary>
    public void Skip(ulong count)
    {
        if (count > (ulong)(file.Length - Position)) throw Bad($"ends within its header at byte {Position}");
        Position += (long)count;
    }

    public CheckpointException Bad(string reason) => new(file.Path, $"{reason}. It is not a valid GGUF file.");

    /// <summary>The next bytes, at most the buffer's size; they are good until the next call.</summary>
    public ReadOnlySpan<byte> Take(int count)
    {
        if (count > file.Length - Position) throw Bad($"ends within its header at byte {Position}");
        if (Position < _bufferStart || Position + count > _bufferStart + _bufferLength)
        {
            _bufferStart = Position;
            _bufferLength = (int)Math.Min(_buffer.Length, file.Length - Position);
            file.Read(_bufferStart, _buffer.AsSpan(0, _bufferLength));
        }
        ReadOnlySpan<byte> bytes = _buffer.AsSpan((int)(Position - _bufferStart), count);
        Position += count;
        return bytes;
    }

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);
}
