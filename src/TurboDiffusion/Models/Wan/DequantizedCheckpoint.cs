using TurboDiffusion.Checkpoints;
using TurboDiffusion.Operators.Linear;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>An int8 Wan checkpoint seen in float32: <c>int8_weight</c> and <c>scale</c> become <c>weight</c> when it is read.</summary>
public sealed class DequantizedCheckpoint : CheckpointView
{
    private readonly Dictionary<string, string> _layers = [];

    /// <summary>Creates the view.</summary>
    /// <param name="inner">A checkpoint with the official names; the view owns it.</param>
    public DequantizedCheckpoint(ICheckpoint inner)
        : base(inner)
    {
        Tensors = ByName(inner.Tensors.Values.Select(Convert).OfType<TensorInfo>());
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <inheritdoc/>
    public override Tensor Read(string name)
    {
        if (!_layers.TryGetValue(name, out string? layer)) return Inner.Read(name);
        using var scope = NewDisposeScope();
        return BlockInt8.Dequantize(Inner.Read($"{layer}.{Int8Names.Int8Weight}"), Inner.Read($"{layer}.{Int8Names.Scale}"))
            .MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override TensorLocation? Locate(string name) =>
        Tensors.ContainsKey(name) && !_layers.ContainsKey(name) ? Inner.Locate(name) : null;

    private TensorInfo? Convert(TensorInfo info)
    {
        if (Int8Names.Layer(info.Name, Int8Names.Scale) is not null) return null;
        if (Int8Names.Layer(info.Name, Int8Names.Int8Weight) is not { } layer) return info;
        CheckScale(layer, info);
        string name = $"{layer}.{Int8Names.Weight}";
        _layers[name] = layer;
        return new TensorInfo(name, ScalarType.Float32, info.Shape);
    }

    private void CheckScale(string layer, TensorInfo weight)
    {
        string name = $"{layer}.{Int8Names.Scale}";
        if (weight.Shape.Count != 2 || weight.Dtype != ScalarType.Int8)
            throw new CheckpointException(Path, $"has '{weight.Name}' of {weight}; int8 weights are Int8 matrices");
        long[] expected = [BlockInt8.Blocks(weight.Shape[0]), BlockInt8.Blocks(weight.Shape[1])];
        if (!Inner.Tensors.TryGetValue(name, out TensorInfo? scale) || !scale.Shape.SequenceEqual(expected))
            throw new CheckpointException(Path,
                $"has '{weight.Name}' of {weight}, and {(scale is null ? $"no '{name}'" : $"'{name}' of {scale}")}; expected scales "
                    + $"[{string.Join(", ", expected)}]");
    }
}
