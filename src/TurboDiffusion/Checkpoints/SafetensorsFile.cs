using TorchSharp;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// A single <c>.safetensors</c> file: 8 bytes of header length, a JSON header, then the data. The header is validated
/// in full (types, shapes, offsets within the file, no overlap, no gap) before any tensor can be read.
/// </summary>
/// <remarks>Format: https://github.com/huggingface/safetensors, README, section Format.</remarks>
public sealed class SafetensorsFile : ICheckpoint
{
    private readonly CheckpointFile _file;
    private readonly SafetensorsHeader _header;

    private SafetensorsFile(CheckpointFile file)
    {
        _file = file;
        _header = SafetensorsHeader.Read(file);
    }

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _header.Tensors;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointException">The file is missing, truncated, or not a well-formed safetensors file.</exception>
    public static SafetensorsFile Open(string path)
    {
        CheckpointFile file = CheckpointFile.Open(path);
        try
        {
            return new SafetensorsFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public torch.Tensor Read(string name)
    {
        if (!_header.Tensors.TryGetValue(name, out TensorInfo? info))
            throw new CheckpointException(Path, $"has no tensor named {Quoted.Name(name)}.");
        long position = _header.Positions[name];
        return Float8.Find(info.Encoding) is { } float8
            ? _file.ReadDecoded(info, position, sizeof(byte), sizeof(ushort), float8.Decode)
            : _file.ReadTensor(info, position);
    }

    /// <inheritdoc/>
    public TensorLocation? Locate(string name) =>
        _header.Tensors.TryGetValue(name, out TensorInfo? info) && Float8.Find(info.Encoding) is null
            ? new TensorLocation(_file, _header.Positions[name], info)
            : null;

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
