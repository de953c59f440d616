using TorchSharp;

namespace TurboDiffusion.Checkpoints.Keys;

/// <summary>
/// A CLIP image encoder whose queries, keys and values are one layer, as Wan's own file has them, of a file that keeps them apart: the
/// rows of <c>q</c>, <c>k</c> and <c>v</c>, one below the other, are <c>to_qkv</c>.
/// </summary>
internal sealed class FusedProjections : CheckpointView
{
    private static readonly string[] Parts = ["q", "k", "v"];

    private readonly Dictionary<string, string[]> _fused = [];

    private FusedProjections(ICheckpoint inner)
        : base(inner)
    {
        var tensors = new List<TensorInfo>();
        foreach (TensorInfo info in inner.Tensors.Values)
        {
            if (Split(info.Name) is not (string layer, string part, string kind))
            {
                tensors.Add(info);
                continue;
            }
            if (part != Parts[0]) continue;
            string[] names = [.. Parts.Select(p => $"{layer}.{p}.{kind}")];
            if (names.FirstOrDefault(n => !inner.Tensors.TryGetValue(n, out TensorInfo? other) || other.Dtype != info.Dtype
                || !other.Shape.SequenceEqual(info.Shape)) is { } wrong)
                throw new CheckpointException(inner.Path,
                    $"has {Quoted.Name(wrong)} of {inner.Tensors.GetValueOrDefault(wrong)?.ToString() ?? "no kind (it is missing)"}, where "
                        + $"{Quoted.Name(info.Name)} is {info}; q, k and v of a layer are alike.");
            string name = $"{layer}.to_qkv.{kind}";
            _fused.Add(name, names);
            tensors.Add(info with { Name = name, Shape = [Parts.Length * info.Shape.FirstOrDefault(1), .. info.Shape.Skip(1)] });
        }
        Tensors = ByName(tensors);
    }

    public override IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>The view; the checkpoint itself where it keeps nothing apart.</summary>
    /// <param name="checkpoint">An image encoder with the official names; the result owns it.</param>
    /// <exception cref="CheckpointException">One of the three is missing, or they differ.</exception>
    public static ICheckpoint Of(ICheckpoint checkpoint) =>
        checkpoint.Tensors.Keys.Any(name => Split(name) is not null) ? new FusedProjections(checkpoint) : checkpoint;

    public override torch.Tensor Read(string name)
    {
        if (!_fused.TryGetValue(name, out string[]? parts)) return Inner.Read(name);
        using var scope = torch.NewDisposeScope();
        return torch.cat([.. parts.Select(Inner.Read)]).MoveToOuterDisposeScope();
    }

    // transformer.3.attn.q.weight: the layer, which of the three, weight or bias.
    private static (string Layer, string Part, string Kind)? Split(string name) =>
        name.Split('.') is [.. var layer, var part, "weight" or "bias"] && layer is [.., "attn"] && Parts.Contains(part)
            ? (string.Join('.', layer), part, name[(name.LastIndexOf('.') + 1)..])
            : null;
}
