using TorchSharp;

namespace TurboDiffusion.Checkpoints.Keys;

/// <summary>A tensor's name in the file, and what the view shows.</summary>
internal sealed record Renaming(string Source, TensorInfo Shown);

/// <summary>A checkpoint whose tensors have other names and shapes.</summary>
internal sealed class RenamedCheckpoint(ICheckpoint inner, Dictionary<string, Renaming> renamed) : CheckpointView(inner)
{
    public override IReadOnlyDictionary<string, TensorInfo> Tensors { get; } = ByName(renamed.Values.Select(r => r.Shown));

    public override torch.Tensor Read(string name)
    {
        if (!renamed.TryGetValue(name, out Renaming? renaming))
            throw new CheckpointException(Path, $"has no tensor named {Quoted.Name(name)}.");
        torch.Tensor tensor = Inner.Read(renaming.Source);
        if (tensor.shape.SequenceEqual(renaming.Shown.Shape)) return tensor;
        using (tensor) return tensor.reshape([.. renaming.Shown.Shape]);
    }

    // Another shape is the same values in the same order.
    public override TensorLocation? Locate(string name) =>
        renamed.TryGetValue(name, out Renaming? renaming) ? Inner.Locate(renaming.Source) : null;
}
