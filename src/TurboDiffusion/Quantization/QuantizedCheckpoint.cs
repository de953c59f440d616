using TorchSharp;
using TurboDiffusion.Checkpoints;
using static TorchSharp.torch;

namespace TurboDiffusion.Quantization;

/// <summary>
/// A float Wan checkpoint seen in the published int8 format: the weights of the blocks' linear layers become
/// <c>int8_weight</c> and <c>scale</c>. A weight is quantized when it is read.
/// </summary>
public sealed class QuantizedCheckpoint : CheckpointView
{
    // The float weight behind each int8 weight and scale.
    private readonly Dictionary<string, string> _sources = [];

    /// <summary>Creates the view.</summary>
    /// <param name="inner">A checkpoint with the official names; the view owns it.</param>
    public QuantizedCheckpoint(ICheckpoint inner)
        : base(inner)
    {
        Tensors = ByName(inner.Tensors.Values.SelectMany(Convert));
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <inheritdoc/>
    public override Tensor Read(string name)
    {
        if (!_sources.TryGetValue(name, out string? source)) return Inner.Read(name);
        using var scope = NewDisposeScope();
        (Tensor values, Tensor scales) = BlockInt8.Quantize(Inner.Read(source));
        return (Tensors[name].Dtype == ScalarType.Int8 ? values : scales).MoveToOuterDisposeScope();
    }

    private IEnumerable<TensorInfo> Convert(TensorInfo info)
    {
        if (Int8Names.Layer(info.Name, Int8Names.Weight) is not { } layer || info.Shape.Count != 2)
        {
            yield return info;
            yield break;
        }
        string values = $"{layer}.{Int8Names.Int8Weight}", scales = $"{layer}.{Int8Names.Scale}";
        _sources[values] = _sources[scales] = info.Name;
        yield return new TensorInfo(values, ScalarType.Int8, info.Shape);
        yield return new TensorInfo(scales, ScalarType.Float32, [BlockInt8.Blocks(info.Shape[0]), BlockInt8.Blocks(info.Shape[1])]);
    }
}
