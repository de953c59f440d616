using System.Text.Json;
using TorchSharp;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// A checkpoint spread over several files, with an index (<c>*.index.json</c>) whose <c>weight_map</c> says which file
/// holds which tensor. The files are looked for only in the index's own folder.
/// </summary>
/// <remarks>Format: Hugging Face transformers and diffusers, <c>save_pretrained</c> with <c>max_shard_size</c>.</remarks>
public sealed class ShardedCheckpoint : ICheckpoint
{
    private const int MaxIndexBytes = 64 << 20;
    private const int MaxShards = 1000;

    private readonly Dictionary<string, ICheckpoint> _shards = [];
    private readonly Dictionary<string, ICheckpoint> _owners = [];
    private readonly Dictionary<string, TensorInfo> _tensors = [];
    private readonly Dictionary<string, string> _metadata = [];

    private ShardedCheckpoint(string path) => Path = path;

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>Opens an index and every file that it names.</summary>
    /// <param name="path">The index file.</param>
    /// <exception cref="CheckpointException">
    /// The index is malformed, names a file outside its folder, or does not agree with what the files hold.
    /// </exception>
    public static ShardedCheckpoint Open(string path)
    {
        var checkpoint = new ShardedCheckpoint(path);
        try
        {
            checkpoint.OpenShards(checkpoint.ReadIndex());
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public torch.Tensor Read(string name) => _owners.TryGetValue(name, out ICheckpoint? shard)
        ? shard.Read(name)
        : throw new CheckpointException(Path, $"has no tensor named {Quoted.Name(name)}.");

    /// <inheritdoc/>
    public TensorLocation? Locate(string name) => _owners.GetValueOrDefault(name)?.Locate(name);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ICheckpoint shard in _shards.Values) shard.Dispose();
    }

    private Dictionary<string, string> ReadIndex()
    {
        byte[] json;
        using (CheckpointFile file = CheckpointFile.Open(Path))
        {
            if (file.Length > MaxIndexBytes) throw Bad($"is {file.Length} bytes long (limit {MaxIndexBytes})");
            json = file.ReadUpTo(0, (int)file.Length);
        }
        var map = new Dictionary<string, string>();
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 16 });
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw Bad("is not a JSON object");
            bool found = false;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isMap = reader.ValueTextEquals("weight_map");
                reader.Read();
                if (!isMap) reader.Skip();
                else if (found) throw Bad("has two weight_maps");
                else ReadMap(ref reader, map);
                found |= isMap;
            }
            if (!found) throw Bad("has no weight_map");
            if (reader.Read()) throw Bad("has text after its end");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Bad("is not valid JSON", e);
        }
        return map;
    }

    private void ReadMap(ref Utf8JsonReader reader, Dictionary<string, string> map)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Bad("has a weight_map that is not an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) throw Bad($"gives no file name for tensor {Quoted.Name(name)}");
            string shard = reader.GetString()!;
            if (!IsPlainFileName(shard))
                throw Bad($"names {Quoted.Name(shard)} for tensor {Quoted.Name(name)}, which is not a plain file name in its own folder");
            if (!map.TryAdd(name, shard)) throw Bad($"names tensor {Quoted.Name(name)} twice");
        }
    }

    // Both separators on every system: an index is refused alike wherever it is opened.
    private static bool IsPlainFileName(string name) =>
        name.Length is > 0 and <= 255 && name is not ("." or "..") && name.AsSpan().IndexOfAny("/\\:\0") < 0;

    private void OpenShards(Dictionary<string, string> map)
    {
        string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path))!;
        foreach (string shard in map.Values.Distinct())
        {
            if (_shards.Count == MaxShards) throw Bad($"names more than {MaxShards} files");
            ICheckpoint opened = Checkpoint.OpenFile(System.IO.Path.Combine(folder, shard));
            _shards.Add(shard, opened);
            foreach ((string name, TensorInfo info) in opened.Tensors)
            {
                if (!map.TryGetValue(name, out string? owner) || owner != shard)
                    throw Bad($"does not place tensor {Quoted.Name(name)} in {Quoted.Name(shard)}, where it is");
                _tensors.Add(name, info);
                _owners.Add(name, opened);
            }
            foreach ((string key, string value) in opened.Metadata) _metadata.TryAdd(key, value);
        }
        if (map.Keys.FirstOrDefault(name => !_tensors.ContainsKey(name)) is { } missing)
            throw Bad($"places tensor {Quoted.Name(missing)} in {Quoted.Name(map[missing])}, where it is not");
    }

    private CheckpointException Bad(string reason, Exception? cause = null) =>
        new(Path, $"{reason}. It is not a valid checkpoint index.", cause);
}
