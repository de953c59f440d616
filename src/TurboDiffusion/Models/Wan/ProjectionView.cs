using TurboDiffusion.Checkpoints;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>
/// A Wan checkpoint with or without the projection of sparse-linear attention: left out to run an SLA checkpoint with dense
/// attention, or added as zeros (its value before tuning) to run an original checkpoint sparsely.
/// </summary>
public sealed class ProjectionView : CheckpointView
{
    private readonly HashSet<string> _added = [];

    /// <summary>Creates the view.</summary>
    /// <param name="inner">A checkpoint with the official names; the view owns it.</param>
    /// <param name="config">The model's dimensions.</param>
    /// <param name="present">Whether the view has the projection.</param>
    public ProjectionView(ICheckpoint inner, WanConfig config, bool present)
        : base(inner)
    {
        string[] names = [.. Enumerable.Range(0, config.NumLayers)
            .SelectMany(i => new[] { WanCheckpoint.Projection(i, "weight"), WanCheckpoint.Projection(i, "bias") })];
        if (!present)
        {
            Tensors = ByName(inner.Tensors.Values.Where(t => !names.Contains(t.Name)));
            return;
        }
        _added = [.. names.Where(n => !inner.Tensors.ContainsKey(n))];
        Tensors = ByName(inner.Tensors.Values.Concat(names.Where(_added.Contains).Select(n => new TensorInfo(n, ScalarType.Float32,
            n.EndsWith("bias", StringComparison.Ordinal) ? [config.HeadDim] : [config.HeadDim, config.HeadDim]))));
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <inheritdoc/>
    public override Tensor Read(string name) => _added.Contains(name)
        ? zeros([.. Tensors[name].Shape], ScalarType.Float32)
        : Inner.Read(name);

    /// <inheritdoc/>
    public override TensorLocation? Locate(string name) => Tensors.ContainsKey(name) && !_added.Contains(name) ? Inner.Locate(name) : null;
}
