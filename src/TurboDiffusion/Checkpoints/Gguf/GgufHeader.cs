using System.Globalization;

namespace TurboDiffusion.Checkpoints.Gguf;

/// <summary>Where a tensor lies in a GGUF file, and in which type.</summary>
internal sealed record GgufTensor(TensorInfo Info, GgmlType Type, long Position);

/// <summary>The header of a GGUF file, checked in full: counts, types, shapes, ranges within the file, no overlap.</summary>
/// <remarks>Format: ggml-org/ggml, <c>docs/gguf.md</c>, versions 2 and 3.</remarks>
internal sealed class GgufHeader
{
    private const int MaxTensors = 100_000, MaxEntries = 100_000, MaxDimensions = 8, MaxName = 512, MaxText = 60_000;
    private const int MaxNestedArrays = 4;
    private const uint DefaultAlignment = 32, TextType = 8, ArrayType = 9;
    private const uint UInt32Type = 4, Int32Type = 5, UInt64Type = 10, Int64Type = 11;
    private const string PatchEmbedding = "patch_embedding." + Weight, Weight = "weight";
    private const string OriginalShape = "comfy.gguf.orig_shape.";

    private readonly CheckpointFile _file;
    private readonly GgufInput _input;
    private readonly Dictionary<string, long[]> _originalShapes = [];
    private uint _alignment = DefaultAlignment;

    private GgufHeader(CheckpointFile file) => (_file, _input) = (file, new GgufInput(file));

    public OrderedDictionary<string, GgufTensor> Tensors { get; } = [];

    /// <summary>The texts and numbers of the metadata.</summary>
    public Dictionary<string, string> Metadata { get; } = [];

    public static GgufHeader Read(CheckpointFile file)
    {
        var header = new GgufHeader(file);
        header.Read();
        return header;
    }

    private void Read()
    {
        if (!_input.Take(4).SequenceEqual("GGUF"u8)) throw _input.Bad("does not begin with GGUF");
        uint version = _input.UInt32();
        if (version is not (2 or 3)) throw _input.Bad($"is of GGUF version {version}, and 2 and 3 are read");
        int tensors = _input.Count(MaxTensors, "tensors"), entries = _input.Count(MaxEntries, "metadata entries");
        for (int i = 0; i < entries; i++) ReadEntry();
        var claims = new List<(string Name, long[] Shape, GgmlType Type, ulong Offset)>();
        for (int i = 0; i < tensors; i++) claims.Add(ReadTensor());
        long start = Aligned(_input.Position);
        foreach ((string name, long[] shape, GgmlType type, ulong offset) in claims.OrderBy(c => c.Offset))
            Place(name, shape, type, offset, start);
        SplitPatchEmbedding();
    }

    // stable-diffusion.cpp merges the two outer axes of a Conv3d weight, as ggml has four: [dim · in, 1, 2, 2], where the bias tells dim.
    private void SplitPatchEmbedding()
    {
        foreach ((string name, GgufTensor tensor) in Tensors.Where(t => t.Key.EndsWith(PatchEmbedding, StringComparison.Ordinal)).ToArray())
            if (tensor.Info.Shape is [var merged, var depth, var height, var width]
                && Tensors.TryGetValue($"{name[..^Weight.Length]}bias", out GgufTensor? bias) && bias.Info.Shape is [> 0 and var dim]
                && merged % dim == 0)
                Tensors[name] = tensor with { Info = tensor.Info with { Shape = [dim, merged / dim, depth, height, width] } };
    }

    private void ReadEntry()
    {
        string key = _input.String(MaxName);
        uint type = _input.UInt32();
        if (type == TextType)
        {
            Metadata[key] = _input.String(MaxText);
        }
        else if (type == ArrayType)
        {
            if (key.StartsWith(OriginalShape, StringComparison.Ordinal)) _originalShapes[key[OriginalShape.Length..]] = ReadShape(key);
            else SkipArray(0);
        }
        else
        {
            ReadOnlySpan<byte> value = _input.Take(Size(type));
            Metadata[key] = Number(type, value);
            if (key != "general.alignment") return;
            if (type != 4 || !uint.TryParse(Metadata[key], NumberStyles.None, CultureInfo.InvariantCulture, out _alignment)
                || _alignment is 0 or > 1 << 20 || !uint.IsPow2(_alignment))
                throw _input.Bad($"has an alignment of {Metadata[key]}");
        }
    }

    private long[] ReadShape(string key)
    {
        uint type = _input.UInt32();
        int count = _input.Count(MaxDimensions, "dimensions");
        if (type is not (UInt32Type or Int32Type or UInt64Type or Int64Type))
            throw _input.Bad($"gives {Quoted.Name(key)} in type {type}, not in whole numbers");
        long[] shape = new long[count];
        for (int i = 0; i < count; i++)
            shape[i] = type is UInt64Type or Int64Type ? (long)_input.UInt64() : type == Int32Type ? (int)_input.UInt32() : _input.UInt32();
        return shape;
    }

    // Vocabularies and merges of a tokenizer: hundreds of thousands of texts that nobody asks for.
    private void SkipArray(int depth)
    {
        uint type = _input.UInt32();
        ulong count = _input.UInt64();
        if (type == ArrayType && depth == MaxNestedArrays) throw _input.Bad("has arrays within arrays within arrays");
        if (type is TextType or ArrayType)
        {
            // Each takes at least eight bytes of the file.
            if (count > (ulong)_file.Length / 8) throw _input.Bad($"claims an array of {count} items");
            for (ulong i = 0; i < count; i++)
                if (type == TextType) _input.Skip(_input.UInt64());
                else SkipArray(depth + 1);
            return;
        }
        UInt128 bytes = (UInt128)count * (uint)Size(type);
        _input.Skip(bytes <= ulong.MaxValue ? (ulong)bytes : ulong.MaxValue);
    }

    private (string Name, long[] Shape, GgmlType Type, ulong Offset) ReadTensor()
    {
        string name = _input.String(MaxName);
        uint dimensions = _input.UInt32();
        if (dimensions > MaxDimensions)
            throw _input.Bad($"has tensor {Quoted.Name(name)} of {dimensions} dimensions (limit {MaxDimensions})");
        long[] shape = new long[dimensions];
        // Innermost first there, outermost first here.
        for (int i = (int)dimensions - 1; i >= 0; i--)
        {
            ulong size = _input.UInt64();
            shape[i] = size <= long.MaxValue ? (long)size : throw _input.Bad($"has tensor {Quoted.Name(name)} with a size of {size}");
        }
        uint id = _input.UInt32();
        GgmlType type = GgmlType.Find(id)
            ?? throw new CheckpointException(_file.Path,
                $"has tensor {Quoted.Name(name)} in GGUF type {id}, which is not supported; {GgmlType.Supported} are.");
        return (name, shape, type, _input.UInt64());
    }

    // In the order of the offsets, so that an overlap shows.
    private void Place(string name, long[] shape, GgmlType type, ulong offset, long start)
    {
        var info = new TensorInfo(name, type.Dtype, shape);
        if (!info.HasSaneSize || shape.LastOrDefault(1) % type.BlockSize != 0)
            throw _input.Bad(
                $"has tensor {Quoted.Name(name)} of {info}, which {type.Name} with its blocks of {type.BlockSize} cannot hold");
        long bytes = info.ElementCount / type.BlockSize * type.BlockBytes;
        if (offset % _alignment != 0 || offset > (ulong)Math.Max(0, _file.Length - start) || bytes > _file.Length - start - (long)offset)
            throw _input.Bad($"has tensor {Quoted.Name(name)} at byte {offset} of its data, {bytes} bytes long, and "
                + $"{Math.Max(0, _file.Length - start)} bytes of data; it is truncated or corrupt");
        long position = start + (long)offset;
        if (Tensors.Count > 0 && Tensors.GetAt(Tensors.Count - 1).Value is { } last && position < last.Position + last.Info.StoredByteCount)
            throw _input.Bad($"has tensor {Quoted.Name(name)} overlapping {Quoted.Name(last.Info.Name)}");
        if (_originalShapes.TryGetValue(name, out long[]? original))
        {
            var restored = new TensorInfo(name, type.Dtype, original);
            if (!restored.HasSaneSize || restored.ElementCount != info.ElementCount)
                throw _input.Bad($"gives tensor {Quoted.Name(name)} of {info} the shape of {restored}");
            info = restored;
        }
        if (type.Decode is not null) info = info with { Encoding = type.Name, StoredBytes = bytes };
        if (!Tensors.TryAdd(name, new GgufTensor(info, type, position))) throw _input.Bad($"names tensor {Quoted.Name(name)} twice");
    }

    private long Aligned(long position) => (position + _alignment - 1) / _alignment * _alignment;

    private int Size(uint type) => type switch
    {
        0 or 1 or 7 => 1,
        2 or 3 => 2,
        4 or 5 or 6 => 4,
        10 or 11 or 12 => 8,
        _ => throw _input.Bad($"has metadata of type {type}, which the format does not have"),
    };

    private static string Number(uint type, ReadOnlySpan<byte> v) => type switch
    {
        0 => v[0].ToString(CultureInfo.InvariantCulture),
        1 => ((sbyte)v[0]).ToString(CultureInfo.InvariantCulture),
        2 => BitConverter.ToUInt16(v).ToString(CultureInfo.InvariantCulture),
        3 => BitConverter.ToInt16(v).ToString(CultureInfo.InvariantCulture),
        4 => BitConverter.ToUInt32(v).ToString(CultureInfo.InvariantCulture),
        5 => BitConverter.ToInt32(v).ToString(CultureInfo.InvariantCulture),
        6 => BitConverter.ToSingle(v).ToString(CultureInfo.InvariantCulture),
        7 => v[0] != 0 ? "true" : "false",
        10 => BitConverter.ToUInt64(v).ToString(CultureInfo.InvariantCulture),
        11 => BitConverter.ToInt64(v).ToString(CultureInfo.InvariantCulture),
        _ => BitConverter.ToDouble(v).ToString(CultureInfo.InvariantCulture),
    };
}
