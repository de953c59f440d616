using System.Buffers.Binary;
using System.Text;

namespace TurboDiffusion.Checkpoints.PyTorch;

/// <summary>The bytes of one or more pickles in a range of a file, in order, up to a limit.</summary>
internal sealed class PickleInput(CheckpointFile file, long start, long end)
{
    // A 14B model with optimizer state takes about 1 MB; its tensors' data is elsewhere.
    private const int MaxBytes = 8 << 20;
    private const int MaxLineBytes = 1024;

    // What reading may cost, in bytes touched. The pickle of a 14B model takes a hundredth of it; all of it takes a second.
    private const long MaxWork = 8L * MaxBytes;
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly long _end = Math.Min(end, start + MaxBytes);
    private byte[] _buffer = [];
    private int _at;
    private long _spent;
    private long _bufferEnd = start;

    public string Path => file.Path;

    /// <summary>Where the next byte is in the file.</summary>
    public long Position => _bufferEnd - _buffer.Length + _at;

    public byte Byte()
    {
        if (_at == _buffer.Length)
        {
            _buffer = file.ReadUpTo(_bufferEnd, (int)Math.Min(_end - _bufferEnd, 1 << 16));
            _at = 0;
            if (_buffer.Length == 0) throw Bad(_end < end ? $"is larger than {MaxBytes} bytes" : "ends early");
            _bufferEnd += _buffer.Length;
        }
        return _buffer[_at++];
    }

    /// <summary>A number of bytes that the pickle itself gives: checked against what is left before it is allocated.</summary>
    public byte[] Bytes(ulong count)
    {
        if (count > (ulong)(_end - Position)) throw Bad($"claims {count} bytes of text where {_end - Position} are left");
        byte[] bytes = new byte[count];
        for (int done = 0; done < bytes.Length;)
        {
            bytes[done++] = Byte();
            int more = Math.Min(bytes.Length - done, _buffer.Length - _at);
            _buffer.AsSpan(_at, more).CopyTo(bytes.AsSpan(done));
            _at += more;
            done += more;
        }
        return bytes;
    }

    public ushort U16() => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2));

    public uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4));

    public int I32() => BinaryPrimitives.ReadInt32LittleEndian(Bytes(4));

    public ulong U64() => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8));

    public double Double() => BinaryPrimitives.ReadDoubleBigEndian(Bytes(8));

    public string Text(ulong count)
    {
        try
        {
            return Utf8.GetString(Bytes(count));
        }
        catch (DecoderFallbackException e)
        {
            throw Bad("has text that is not valid UTF-8", e);
        }
    }

    public string Line()
    {
        var line = new StringBuilder();
        for (byte b = Byte(); b != '\n'; b = Byte())
        {
            if (line.Length == MaxLineBytes) throw Bad($"has a line longer than {MaxLineBytes} bytes");
            line.Append((char)b);
        }
        return line.ToString();
    }

    /// <summary>
    /// Counts work by the bytes that it touches: a few bytes of the file can ask for it many times over, such as hashing one long
    /// name or copying one list again and again.
    /// </summary>
    public void Spend(long bytes)
    {
        if ((_spent += bytes) > MaxWork) throw Bad("repeats itself beyond any use");
    }

    public CheckpointException Bad(string reason, Exception? cause = null) =>
        new(file.Path, $"holds a pickle that {reason} (byte {Position}). It is truncated, corrupt, or not a PyTorch checkpoint.", cause);
}
