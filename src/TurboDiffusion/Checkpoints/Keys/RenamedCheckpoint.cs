using TorchSharp;

namespace TurboDiffusion.Checkpoints.Keys;

/// <summary>A tensor's name in the file, and what the view shows.</summary>
internal sealed record Renaming(string Source, TensorInfo Shown);

/// <summary>A checkpoint whose tensors have other names and shapes. Owns the one behind it.</summary>
internal sealed class RenamedCheckpoint(ICheckpoint inner, Dictionary<string, Renaming> renamed) : ICheckpoint
{
    public string Path => inner.Path;

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; } = renamed.ToDictionary(r => r.Key, r => r.Value.Shown);

    public IReadOnlyDictionary<string, string> Metadata => inner.Metadata;

    public torch.Tensor Read(string name)
    {
        if (!renamed.TryGetValue(name, out Renaming? renaming)) throw new CheckpointException(Path, $"has no tensor named {Quoted.Name(name)}.");
        torch.Tensor tensor = inner.Read(renaming.Source);
        if (tensor.shape.SequenceEqual(renaming.Shown.Shape)) return tensor;
        using (tensor) return tensor.reshape([.. renaming.Shown.Shape]);
    }

    public void Dispose() => inner.Dispose();
}
