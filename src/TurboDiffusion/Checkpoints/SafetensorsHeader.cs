using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using TorchSharp;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// The header of a safetensors file: read in one forward pass, so that memory stays in proportion to the header's real
/// size whatever it claims, and checked in full.
/// </summary>
internal sealed class SafetensorsHeader
{
    // The format's own limit on the header; a larger claim is refused before anything is allocated.
    /// <summary>The name in a header that is no tensor's.</summary>
    public const string MetadataName = "__metadata__";

    private const long MaxHeaderBytes = 100_000_000;
    private const int MaxTensors = 100_000;
    private const int MaxDimensions = 16;

    private readonly string _path;
    private readonly long _dataStart;
    private readonly long _dataLength;
    private bool _hasMetadata;

    private SafetensorsHeader(string path, long dataStart, long dataLength)
    {
        _path = path;
        _dataStart = dataStart;
        _dataLength = dataLength;
    }

    public Dictionary<string, TensorInfo> Tensors { get; } = [];

    /// <summary>Where each tensor's data begins in the file.</summary>
    public Dictionary<string, long> Positions { get; } = [];

    public Dictionary<string, string> Metadata { get; } = [];

    public static SafetensorsHeader Read(CheckpointFile file)
    {
        if (file.Length < 8)
            throw new CheckpointException(file.Path,
                $"is {file.Length} bytes long; a safetensors file has at least 8. It is truncated; download it again.");
        Span<byte> lengthBytes = stackalloc byte[8];
        file.Read(0, lengthBytes);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(lengthBytes);
        if (length > MaxHeaderBytes || (long)length > file.Length - 8)
            throw new CheckpointException(file.Path,
                $"claims a header of {length} bytes and has {file.Length - 8} bytes after its first 8 (limit {MaxHeaderBytes}). It is "
                    + "truncated or not a safetensors file.");
        byte[] json = file.ReadUpTo(8, (int)length);
        var header = new SafetensorsHeader(file.Path, 8 + (long)length, file.Length - 8 - (long)length);
        header.Parse(json);
        return header;
    }

    private void Parse(byte[] json)
    {
        var ranges = new List<(long Begin, long End, string Name)>();
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 8 });
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw Bad("has a header that is not a JSON object");
            while (NextProperty(ref reader) is { } name)
            {
                if (name == MetadataName) ReadMetadata(ref reader);
                else ranges.Add(ReadEntry(ref reader, name));
                if (ranges.Count > MaxTensors) throw Bad($"names more than {MaxTensors} tensors");
            }
            if (reader.Read()) throw Bad("has a header with text after its end");
        }
        catch (JsonException e)
        {
            throw Bad("has a header that is not valid JSON", e);
        }
        catch (Exception e) when (e is InvalidOperationException or DecoderFallbackException)
        {
            throw Bad("has a header with text that is not valid UTF-8", e);
        }
        CheckRanges(ranges);
    }

    // The next property's name, with the reader on its value; null at the end of the object.
    private static string? NextProperty(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.EndObject) return null;
        string name = reader.GetString()!;
        reader.Read();
        return name;
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (_hasMetadata) throw Bad("has two __metadata__ entries");
        _hasMetadata = true;
        if (reader.TokenType != JsonTokenType.StartObject) throw Bad("has a __metadata__ entry that is not an object");
        while (NextProperty(ref reader) is { } name)
        {
            if (reader.TokenType != JsonTokenType.String) throw Bad($"has metadata {Quoted.Name(name)} that is not a string");
            if (!Metadata.TryAdd(name, reader.GetString()!)) throw Bad($"has metadata {Quoted.Name(name)} twice");
        }
    }

    private (long Begin, long End, string Name) ReadEntry(ref Utf8JsonReader reader, string name)
    {
        string? dtype = null;
        List<long>? shape = null, offsets = null;
        if (reader.TokenType != JsonTokenType.StartObject) throw Bad($"has an entry {Quoted.Name(name)} that is not an object");
        while (NextProperty(ref reader) is { } field)
        {
            switch (field)
            {
                case "dtype" when dtype is null && reader.TokenType == JsonTokenType.String: dtype = reader.GetString(); break;
                case "shape" when shape is null: shape = ReadNumbers(ref reader, name, field, MaxDimensions); break;
                case "data_offsets" when offsets is null: offsets = ReadNumbers(ref reader, name, field, 2); break;
                default: throw Bad($"has tensor {Quoted.Name(name)} with an unexpected field {Quoted.Name(field)}");
            }
        }
        if (dtype is null || shape is null || offsets is not [long begin, long end])
            throw Bad($"has tensor {Quoted.Name(name)} without a dtype, a shape and two data_offsets");
        if (end < begin || end > _dataLength)
            throw Bad($"has tensor {Quoted.Name(name)} at bytes {begin} to {end} of its {_dataLength} bytes of data; it is truncated or "
                + "corrupt");
        TensorInfo info = Float8.Find(dtype) is { } float8
            ? new TensorInfo(name, torch.ScalarType.BFloat16, [.. shape]) { Encoding = float8.Name, StoredBytes = end - begin }
            : new TensorInfo(name, ParseDtype(name, dtype), [.. shape]);
        if (!info.HasSaneName) throw Bad($"has tensor {Quoted.Name(name)}, whose name has {name.Length} characters");
        if (!info.HasSaneSize || (info.Encoding is null ? info.ByteCount : info.ElementCount) != end - begin)
            throw Bad($"has tensor {Quoted.Name(name)} of {info} in a range of {end - begin} bytes");
        if (!Tensors.TryAdd(name, info)) throw Bad($"names tensor {Quoted.Name(name)} twice");
        Positions.Add(name, _dataStart + begin);
        return (begin, end, name);
    }

    private List<long> ReadNumbers(ref Utf8JsonReader reader, string tensor, string field, int limit)
    {
        if (reader.TokenType != JsonTokenType.StartArray) throw Bad($"has tensor {Quoted.Name(tensor)} whose {field} is not a list");
        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number) || number < 0 || numbers.Count == limit)
                throw Bad($"has tensor {Quoted.Name(tensor)} whose {field} is not a list of at most {limit} sizes");
            numbers.Add(number);
        }
        return numbers;
    }

    private void CheckRanges(List<(long Begin, long End, string Name)> ranges)
    {
        long position = 0;
        foreach ((long begin, long end, string name) in ranges.OrderBy(r => r.Begin).ThenBy(r => r.End))
        {
            if (begin < position) throw Bad($"has tensor {Quoted.Name(name)} overlapping the one before it");
            if (begin > position) throw Bad($"has a gap of {begin - position} bytes before tensor {Quoted.Name(name)}");
            position = end;
        }
        if (position != _dataLength) throw Bad($"has {_dataLength - position} bytes after its last tensor");
    }

    private torch.ScalarType ParseDtype(string tensor, string dtype) => SafetensorsDtype.Parse(dtype)
        ?? throw new CheckpointException(_path, dtype switch
        {
            "F8_E8M0" =>
                $"has tensor {Quoted.Name(tensor)} of type 'F8_E8M0', a scale of the format mxfp8, which is not supported. Use the fp8, "
                    + "bf16 or fp16 file of this model.",
            "F4" => $"has tensor {Quoted.Name(tensor)} in 4-bit floats ('F4'), which are not supported. Use the fp8, bf16 or fp16 file of "
                + "this model.",
            _ => $"has tensor {Quoted.Name(tensor)} of type {Quoted.Name(dtype)}, which is not supported.",
        });

    private CheckpointException Bad(string reason, Exception? cause = null) =>
        new(_path, $"{reason}. It is not a valid safetensors file.", cause);
}
