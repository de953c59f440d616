using TorchSharp;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// An opened checkpoint: its header is read and checked; its data stays on disk until a tensor is asked for. Safe for
/// concurrent reads.
/// </summary>
public interface ICheckpoint : IDisposable
{
    /// <summary>The file, or the index file of a sharded checkpoint.</summary>
    string Path { get; }

    /// <summary>Every tensor by name, in the order of the file.</summary>
    IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Free-form text that the file carries beside the tensors.</summary>
    IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Materialises one tensor.</summary>
    /// <param name="name">A key of <see cref="Tensors"/>.</param>
    /// <returns>A new contiguous CPU tensor with the dtype and shape of the header; the caller owns it.</returns>
    /// <exception cref="CheckpointException">There is no such tensor, or its data cannot be read.</exception>
    torch.Tensor Read(string name);

    /// <summary>Where a tensor's values lie in a file as they do in memory.</summary>
    /// <param name="name">A key of <see cref="Tensors"/>.</param>
    /// <returns>Null where <see cref="Read"/> computes them, or the file has them in another form.</returns>
    TensorLocation? Locate(string name) => null;
}
