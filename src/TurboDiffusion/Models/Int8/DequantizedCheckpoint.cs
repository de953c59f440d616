using TurboDiffusion.Checkpoints;
using TurboDiffusion.Operators.Linear;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Int8;

/// <summary>An int8 checkpoint seen in float32: <c>int8_weight</c> and <c>scale</c> become <c>weight</c> when it is read.</summary>
internal sealed class DequantizedCheckpoint : CheckpointView
{
    private readonly Int8Layers _layers;

    // The layer of each weight.
    private readonly Dictionary<string, string> _weights = [];

    /// <summary>Creates the view.</summary>
    /// <param name="inner">A checkpoint with the official names; the view owns it.</param>
    /// <param name="layers">Which layers can be int8.</param>
    /// <exception cref="CheckpointException">The scales do not fit the weights.</exception>
    public DequantizedCheckpoint(ICheckpoint inner, Int8Layers layers)
        : base(inner)
    {
        _layers = layers;
        Tensors = ByName(inner.Tensors.Values.Select(Convert).OfType<TensorInfo>());
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <inheritdoc/>
    public override Tensor Read(string name)
    {
        if (!_weights.TryGetValue(name, out string? layer)) return Inner.Read(name);
        using var scope = NewDisposeScope();
        return _layers.Scaling.Dequantize(Inner.Read($"{layer}.{Int8Layers.Int8Weight}"), Inner.Read($"{layer}.{Int8Layers.Scale}"))
            .MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override TensorLocation? Locate(string name) =>
        Tensors.ContainsKey(name) && !_weights.ContainsKey(name) ? Inner.Locate(name) : null;

    private TensorInfo? Convert(TensorInfo info)
    {
        if (_layers.Of(info.Name, Int8Layers.Scale) is not null) return null;
        if (_layers.Of(info.Name, Int8Layers.Int8Weight) is not { } layer) return info;
        CheckScale(layer, info);
        string name = $"{layer}.{Int8Layers.Weight}";
        _weights[name] = layer;
        return new TensorInfo(name, ScalarType.Float32, info.Shape);
    }

    private void CheckScale(string layer, TensorInfo weight)
    {
        string name = $"{layer}.{Int8Layers.Scale}";
        if (weight.Shape.Count != 2 || weight.Dtype != ScalarType.Int8)
            throw new CheckpointException(Path, $"has '{weight.Name}' of {weight}; int8 weights are Int8 matrices");
        long[] expected = _layers.Scaling.ScaleShape(weight.Shape[0], weight.Shape[1]);
        if (!Inner.Tensors.TryGetValue(name, out TensorInfo? scale) || !TensorInfo.IsFloat(scale.Dtype)
            || !scale.Shape.SequenceEqual(expected))
            throw new CheckpointException(Path,
                $"has '{weight.Name}' of {weight}, and {(scale is null ? $"no '{name}'" : $"'{name}' of {scale}")}; expected float scales "
                    + $"[{string.Join(", ", expected)}]");
    }
}
