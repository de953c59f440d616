using TorchSharp;

namespace TurboDiffusion.Checkpoints.Lora;

/// <summary>
/// A float transformer with LoRAs merged into it: a tensor that they change is summed in float32 when it is read, and shown in
/// float32, so that whatever quantizes it next sees the exact sum.
/// </summary>
public sealed class LoraCheckpoint : CheckpointView
{
    private readonly Dictionary<string, List<Change>> _changes = [];

    /// <summary>Creates the view and checks every name and shape.</summary>
    /// <param name="inner">A float transformer with the official names; the view owns it.</param>
    /// <param name="loras">The LoRAs with their strengths; the files stay the caller's and must stay open.</param>
    /// <param name="expert">Which of two experts it is: 0 high noise, 1 low noise; null: the model has one transformer.</param>
    /// <exception cref="CheckpointException">A LoRA is of a model of other sizes, or changes nothing here.</exception>
    /// <exception cref="InvalidRequestException">A LoRA names layers of two experts, and which one this is, is not said.</exception>
    public LoraCheckpoint(ICheckpoint inner, IReadOnlyList<(LoraFile File, double Strength)> loras, int? expert = null)
        : base(inner)
    {
        ArgumentNullException.ThrowIfNull(loras);
        var warnings = new List<string>();
        foreach ((LoraFile file, double strength) in loras)
        {
            if (expert is null && file.NamesBothExperts)
                throw new InvalidRequestException("lora",
                    $"{file.Path} names layers of two experts, and {inner.Path} is one transformer; give it for the expert that the "
                        + "transformer is (--lora-high or --lora-low; LoraOptions.Experts), whose half is then taken.");
            LoraLayer[] layers = [.. file.LayersFor(expert)];
            // A file that names its experts may have nothing for this one.
            if (layers.Length == 0) continue;
            LoraMatch match = LoraMatch.Of(layers, inner.Tensors);
            if (match.Mismatched.Count > 0)
                throw new CheckpointException(file.Path,
                    $"is a LoRA of a model of other sizes than {inner.Path}: {Quoted.List(match.Mismatched)}. Use one that was made for "
                        + "this model.");
            if (match.Changes.Count == 0)
                throw new CheckpointException(file.Path,
                    $"is a LoRA of another model than {inner.Path}: of its {layers.Length} layers "
                        + $"({Quoted.List([.. match.Ignored.Select(Quoted.Name)])}) the model has none.");
            foreach ((string tensor, LoraLayer layer, LoraPart part) in match.Changes)
            {
                if (!TensorInfo.IsFloat(inner.Tensors[tensor].Dtype))
                    throw new CheckpointException(inner.Path,
                        $"holds '{tensor}' as {inner.Tensors[tensor]}; a LoRA is merged into float weights.");
                if (!_changes.TryGetValue(tensor, out List<Change>? changes)) _changes.Add(tensor, changes = []);
                changes.Add(new Change(file, layer, part, strength));
            }
            if (match.IgnoredTensors + file.UnknownTensors is > 0 and var ignored)
                warnings.Add($"{file.Path}: {ignored} of its tensors are of layers that {inner.Path} does not have, and are ignored"
                    + (match.Ignored.Count > 0 ? $": {Quoted.List([.. match.Ignored.Select(Quoted.Name)])}." : "."));
        }
        Warnings = warnings;
        Tensors = ByName(inner.Tensors.Values.Select(t => _changes.ContainsKey(t.Name)
            ? new TensorInfo(t.Name, torch.ScalarType.Float32, t.Shape)
            : t));
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>What was left out, one line for each LoRA of which something was.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>How many tensors are changed.</summary>
    public int ChangedTensors => _changes.Count;

    /// <summary>Where the sums are made; null: on the CPU. They are then there, too.</summary>
    internal torch.Device? Device { get; init; }

    /// <inheritdoc/>
    public override torch.Tensor Read(string name)
    {
        if (!_changes.TryGetValue(name, out List<Change>? changes)) return Inner.Read(name);
        using var scope = torch.NewDisposeScope();
        using IDisposable noGrad = torch.no_grad();
        torch.Tensor sum = Inner.Read(name).to(torch.ScalarType.Float32, Device ?? torch.CPU);
        foreach (Change change in changes) change.File.AddTo(sum, change.Layer, change.Part, change.Strength);
        return sum.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override TensorLocation? Locate(string name) => _changes.ContainsKey(name) ? null : Inner.Locate(name);

    private sealed record Change(LoraFile File, LoraLayer Layer, LoraPart Part, double Strength);
}
