using System.Buffers.Binary;
using System.Text;

namespace TurboDiffusion.Tests.Checkpoints;

/// <summary>Writes GGUF files, good and bad ones.</summary>
internal sealed class GgufWriter
{
    /// <summary>The type of plain floats.</summary>
    public const uint F32Type = 0;

    private readonly List<byte> _entries = [], _tensors = [], _data = [];
    private ulong _entryCount, _tensorCount;

    public uint Version { get; init; } = 3;

    /// <summary>Where tensors begin; said in the metadata where it is not the usual one.</summary>
    public int Alignment { get; init; } = 32;

    public ulong? ClaimedTensors { get; init; }

    public ulong? ClaimedEntries { get; init; }

    public GgufWriter Entry(string key, uint type, params byte[] value)
    {
        Text(_entries, key);
        Add(_entries, type);
        _entries.AddRange(value);
        _entryCount++;
        return this;
    }

    /// <summary>A tensor; sizes outermost first, as here.</summary>
    public GgufWriter Tensor(string name, uint type, long[] shape, byte[] data, ulong? offset = null)
    {
        while (_data.Count % Alignment != 0) _data.Add(0);
        Text(_tensors, name);
        Add(_tensors, (uint)shape.Length);
        foreach (long size in shape.Reverse()) Add(_tensors, (ulong)size);
        Add(_tensors, type);
        Add(_tensors, offset ?? (ulong)_data.Count);
        _data.AddRange(data);
        _tensorCount++;
        return this;
    }

    /// <summary>Floats as blocks of Q8_0; as many as a multiple of 32.</summary>
    public static byte[] Q8(float[] values)
    {
        var bytes = new List<byte>();
        foreach (float[] block in values.Chunk(32))
        {
            Half scale = (Half)(block.Max(MathF.Abs) / 127);
            bytes.AddRange(BitConverter.GetBytes(scale));
            bytes.AddRange(block.Select(v => (byte)(sbyte)Math.Clamp(MathF.Round((float)scale == 0 ? 0 : v / (float)scale), -127, 127)));
        }
        return [.. bytes];
    }

    public static byte[] F32(float[] values) => [.. values.SelectMany(BitConverter.GetBytes)];

    public byte[] Bytes()
    {
        List<byte> file = [.. "GGUF"u8.ToArray()];
        Add(file, Version);
        Add(file, ClaimedTensors ?? _tensorCount);
        Add(file, ClaimedEntries ?? _entryCount);
        file.AddRange(_entries);
        file.AddRange(_tensors);
        while (file.Count % Alignment != 0) file.Add(0);
        return [.. file, .. _data];
    }

    public static byte[] Array(uint type, ulong count, params byte[] items)
    {
        var bytes = new List<byte>();
        Add(bytes, type);
        Add(bytes, count);
        return [.. bytes, .. items];
    }

    private static void Text(List<byte> to, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Add(to, (ulong)bytes.Length);
        to.AddRange(bytes);
    }

    private static void Add(List<byte> to, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        to.AddRange(bytes);
    }

    private static void Add(List<byte> to, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        to.AddRange(bytes);
    }
}
