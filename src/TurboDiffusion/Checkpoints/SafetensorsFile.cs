using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// A single <c>.safetensors</c> file: 8 bytes of header length, a JSON header, then the data. The header is validated
/// in full (types, shapes, offsets within the file, no overlap, no gap) before any tensor can be read.
/// </summary>
/// <remarks>Format: https://github.com/huggingface/safetensors, README, section Format.</remarks>
public sealed class SafetensorsFile : ICheckpoint
{
    // The format's own limit on the header; a larger claim is refused before anything is allocated.
    private const long MaxHeaderBytes = 100_000_000;

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly Dictionary<string, TensorInfo> _tensors = [];
    private readonly Dictionary<string, long> _offsets = [];
    private readonly Dictionary<string, string> _metadata = [];

    private SafetensorsFile(string path, MemoryMappedFile file, long length)
    {
        Path = path;
        _file = file;
        _view = file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointException">The file is missing, truncated, or not a well-formed safetensors file.</exception>
    public static SafetensorsFile Open(string path)
    {
        long length;
        MemoryMappedFile map;
        try
        {
            length = new FileInfo(path).Length;
            if (length < 8)
                throw new CheckpointException(path, $"is {length} bytes long; a safetensors file has at least 8. It is empty or truncated; download it again.");
            map = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be opened: {e.Message}", e);
        }
        var checkpoint = new SafetensorsFile(path, map, length);
        try
        {
            checkpoint.ReadHeader(length);
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public unsafe torch.Tensor Read(string name)
    {
        if (!_tensors.TryGetValue(name, out TensorInfo? info))
            throw new CheckpointException(Path, $"has no tensor named '{name}'.");
        torch.Tensor tensor = torch.empty([.. info.Shape], info.Dtype);
        if (info.ByteCount == 0) return tensor;
        byte* source = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref source);
        try
        {
            void* destination = NativeTensor.DataPointer(tensor);
            Buffer.MemoryCopy(source + _view.PointerOffset + _offsets[name], destination, info.ByteCount, info.ByteCount);
        }
        finally
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
        return tensor;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _view.Dispose();
        _file.Dispose();
    }

    private void ReadHeader(long fileLength)
    {
        Span<byte> lengthBytes = stackalloc byte[8];
        for (int i = 0; i < 8; i++) lengthBytes[i] = _view.ReadByte(i);
        ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(lengthBytes);
        if (headerLength > MaxHeaderBytes || (long)headerLength > fileLength - 8)
            throw Bad($"claims a header of {headerLength} bytes, but has {fileLength - 8} bytes after its first 8 (limit {MaxHeaderBytes})");
        byte[] header = new byte[headerLength];
        _view.ReadArray(8, header, 0, header.Length);
        long dataStart = 8 + (long)headerLength;
        try
        {
            using JsonDocument json = JsonDocument.Parse(header, new JsonDocumentOptions { MaxDepth = 8 });
            if (json.RootElement.ValueKind != JsonValueKind.Object) throw Bad("has a header that is not a JSON object");
            var ranges = new List<(long Begin, long End, string Name)>();
            foreach (JsonProperty property in json.RootElement.EnumerateObject())
            {
                if (property.Name == "__metadata__") ReadMetadata(property.Value);
                else ranges.Add(ReadEntry(property.Name, property.Value, fileLength - dataStart));
            }
            CheckRanges(ranges, fileLength - dataStart);
            foreach ((long begin, _, string name) in ranges) _offsets[name] = dataStart + begin;
        }
        catch (JsonException e)
        {
            throw Bad($"has a header that is not valid JSON ({e.Message})", e);
        }
        catch (InvalidOperationException e)
        {
            throw Bad($"has a malformed header ({e.Message})", e);
        }
    }

    private void ReadMetadata(JsonElement metadata)
    {
        if (metadata.ValueKind != JsonValueKind.Object) throw Bad("has a __metadata__ entry that is not an object");
        foreach (JsonProperty entry in metadata.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.String) throw Bad($"has metadata '{entry.Name}' that is not a string");
            _metadata[entry.Name] = entry.Value.GetString()!;
        }
    }

    private (long Begin, long End, string Name) ReadEntry(string name, JsonElement entry, long dataLength)
    {
        if (entry.ValueKind != JsonValueKind.Object
            || !entry.TryGetProperty("dtype", out JsonElement dtypeElement) || dtypeElement.ValueKind != JsonValueKind.String
            || !entry.TryGetProperty("shape", out JsonElement shapeElement) || shapeElement.ValueKind != JsonValueKind.Array
            || !entry.TryGetProperty("data_offsets", out JsonElement offsetsElement) || offsetsElement.ValueKind != JsonValueKind.Array
            || offsetsElement.GetArrayLength() != 2)
            throw Bad($"has tensor '{name}' without a proper dtype, shape and data_offsets");
        torch.ScalarType dtype = ParseDtype(name, dtypeElement.GetString()!);
        var shape = new long[shapeElement.GetArrayLength()];
        if (shape.Length > 16) throw Bad($"has tensor '{name}' with {shape.Length} dimensions");
        for (int i = 0; i < shape.Length; i++)
            if (!shapeElement[i].TryGetInt64(out shape[i]) || shape[i] < 0)
                throw Bad($"has tensor '{name}' with the size {shapeElement[i]} in its shape");
        if (!offsetsElement[0].TryGetInt64(out long begin) || !offsetsElement[1].TryGetInt64(out long end)
            || begin < 0 || end < begin || end > dataLength)
            throw Bad($"has tensor '{name}' at bytes {offsetsElement}, outside its {dataLength} bytes of data; it is truncated or corrupt");
        var info = new TensorInfo(name, dtype, shape);
        long needed;
        try
        {
            needed = info.ByteCount;
        }
        catch (OverflowException)
        {
            throw Bad($"has tensor '{name}' of impossible size {info}");
        }
        if (needed != end - begin)
            throw Bad($"has tensor '{name}' of {info}, which takes {needed} bytes, in a range of {end - begin} bytes");
        if (!_tensors.TryAdd(name, info)) throw Bad($"names tensor '{name}' twice");
        return (begin, end, name);
    }

    private void CheckRanges(List<(long Begin, long End, string Name)> ranges, long dataLength)
    {
        long position = 0;
        foreach ((long begin, long end, string name) in ranges.OrderBy(r => r.Begin).ThenBy(r => r.End))
        {
            if (begin < position) throw Bad($"has tensor '{name}' overlapping the one before it");
            if (begin > position) throw Bad($"has a gap of {begin - position} bytes before tensor '{name}'");
            position = end;
        }
        if (position != dataLength) throw Bad($"has {dataLength - position} bytes after its last tensor");
    }

    private torch.ScalarType ParseDtype(string tensor, string dtype) => dtype switch
    {
        "BOOL" => torch.ScalarType.Bool,
        "U8" => torch.ScalarType.Byte,
        "I8" => torch.ScalarType.Int8,
        "I16" => torch.ScalarType.Int16,
        "I32" => torch.ScalarType.Int32,
        "I64" => torch.ScalarType.Int64,
        "F16" => torch.ScalarType.Float16,
        "BF16" => torch.ScalarType.BFloat16,
        "F32" => torch.ScalarType.Float32,
        "F64" => torch.ScalarType.Float64,
        _ => throw Bad($"has tensor '{tensor}' of type {dtype}, which is not supported"),
    };

    private CheckpointException Bad(string reason, Exception? cause = null) =>
        new(Path, $"{reason}. It is not a valid safetensors file.", cause);
}
