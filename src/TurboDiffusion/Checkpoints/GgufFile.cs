using System.Runtime.InteropServices;
using TorchSharp;
using TurboDiffusion.Checkpoints.Gguf;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// A GGUF file. Quantized tensors are shown and read as float32: each is decoded as it is read, a few megabytes of blocks at a time,
/// on all cores. The name of the model in the metadata is not needed: names and shapes of tensors decide.
/// </summary>
/// <remarks>Layouts of Wan models: city96/ComfyUI-GGUF at 795e451, <c>loader.py</c> and <c>dequant.py</c>.</remarks>
public sealed class GgufFile : ICheckpoint
{
    private readonly CheckpointFile _file;
    private readonly GgufHeader _header;

    private GgufFile(CheckpointFile file)
    {
        _file = file;
        _header = GgufHeader.Read(file);
        Tensors = _header.Tensors.ToDictionary(t => t.Key, t => t.Value.Info);
    }

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>The texts and numbers of the metadata; arrays, such as vocabularies, are passed over.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointException">
    /// The file is missing, truncated, not a well-formed GGUF file, or has a type that is not read.
    /// </exception>
    public static GgufFile Open(string path)
    {
        CheckpointFile file = CheckpointFile.Open(path);
        try
        {
            return new GgufFile(file);
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
        if (!_header.Tensors.TryGetValue(name, out GgufTensor? tensor))
            throw new CheckpointException(Path, $"has no tensor named {Quoted.Name(name)}.");
        GgmlType type = tensor.Type;
        return type.Decode is not { } decode ? _file.ReadTensor(tensor.Info, tensor.Position)
            : _file.ReadDecoded(tensor.Info, tensor.Position, type.BlockBytes, type.BlockSize * sizeof(float),
                (blocks, values) => decode(blocks, MemoryMarshal.Cast<byte, float>(values)));
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
