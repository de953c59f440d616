using System.Collections.Concurrent;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Operators.Linear;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>
/// A float Wan checkpoint seen in the published int8 format: the weights of the blocks' linear layers become
/// <c>int8_weight</c> and <c>scale</c>. A weight is quantized when it is read.
/// </summary>
public sealed class QuantizedCheckpoint : CheckpointView
{
    // The float weight behind each int8 weight and scale.
    private readonly Dictionary<string, string> _sources = [];

    // The scales of the weights that were quantized, so that the file is read and quantized once; a 14B model has 3 MB of them.
    private readonly ConcurrentDictionary<string, float[]> _scales = new();

    /// <summary>Creates the view.</summary>
    /// <param name="inner">A checkpoint with the official names; the view owns it.</param>
    public QuantizedCheckpoint(ICheckpoint inner)
        : base(inner)
    {
        Tensors = ByName(inner.Tensors.Values.SelectMany(Convert));
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Where the weights are quantized, one at a time; null: where they are read. The values are then there, too.</summary>
    internal Device? Device { get; init; }

    /// <inheritdoc/>
    public override Tensor Read(string name)
    {
        if (!_sources.TryGetValue(name, out string? source)) return Inner.Read(name);
        TensorInfo info = Tensors[name];
        if (info.Dtype != ScalarType.Int8 && _scales.TryGetValue(source, out float[]? known)) return tensor(known, [.. info.Shape]);
        using var scope = NewDisposeScope();
        Tensor weight = Inner.Read(source);
        if (Device is not null && Device.type != weight.device_type) weight = weight.to(Device, disposeAfter: true);
        (Tensor values, Tensor scales) = BlockInt8.Quantize(weight);
        _scales[source] = scales.cpu().data<float>().ToArray();
        return (info.Dtype == ScalarType.Int8 ? values : scales).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override TensorLocation? Locate(string name) =>
        Tensors.ContainsKey(name) && !_sources.ContainsKey(name) ? Inner.Locate(name) : null;

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
