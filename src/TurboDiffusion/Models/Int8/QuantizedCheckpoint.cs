using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Operators.Linear;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Int8;

/// <summary>
/// A float checkpoint seen in int8: the weights of a model's layers that can be int8 become <c>int8_weight</c> and
/// <c>scale</c>. A weight is quantized when it is read, and so is in memory no longer than that. The scales come last: then the weights
/// were read, and give them.
/// </summary>
internal sealed class QuantizedCheckpoint : CheckpointView
{
    private readonly Int8Layers _layers;

    // The float weight behind each int8 weight and scale.
    private readonly Dictionary<string, Source> _sources = [];

    /// <summary>Creates the view.</summary>
    /// <param name="inner">A checkpoint with the official names; the view owns it.</param>
    /// <param name="layers">Which layers become int8.</param>
    public QuantizedCheckpoint(ICheckpoint inner, Int8Layers layers)
        : base(inner)
    {
        _layers = layers;
        Tensors = ByName(inner.Tensors.Values.SelectMany(Convert).OrderBy(t => _layers.Of(t.Name, Int8Layers.Scale) is not null));
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Where the weights are quantized; null: where they are read. The values are then there, too.</summary>
    internal Device? Device { get; init; }

    /// <inheritdoc/>
    public override Tensor Read(string name)
    {
        if (!_sources.TryGetValue(name, out Source? source)) return Inner.Read(name);
        TensorInfo info = Tensors[name];
        // Who asks for the scales while another thread quantizes the weight waits for them.
        lock (source)
        {
            if (info.Dtype != ScalarType.Int8 && source.Scales is { } known) return tensor(known, [.. info.Shape]);
            using var scope = NewDisposeScope();
            Tensor weight = Inner.Read(source.Weight);
            if (Device is not null && Device.type != weight.device_type) weight = weight.to(Device, disposeAfter: true);
            (Tensor values, Tensor scales) = _layers.Scaling.Quantize(weight);
            source.Scales = scales.cpu().data<float>().ToArray();
            return (info.Dtype == ScalarType.Int8 ? values : scales).MoveToOuterDisposeScope();
        }
    }

    /// <inheritdoc/>
    public override TensorLocation? Locate(string name) =>
        Tensors.ContainsKey(name) && !_sources.ContainsKey(name) ? Inner.Locate(name) : null;

    private IEnumerable<TensorInfo> Convert(TensorInfo info)
    {
        if (_layers.Of(info.Name, Int8Layers.Weight) is not { } layer || info.Shape.Count != 2)
        {
            yield return info;
            yield break;
        }
        string values = $"{layer}.{Int8Layers.Int8Weight}", scales = $"{layer}.{Int8Layers.Scale}";
        _sources[values] = _sources[scales] = new Source(info.Name);
        yield return new TensorInfo(values, ScalarType.Int8, info.Shape);
        yield return new TensorInfo(scales, ScalarType.Float32, _layers.Scaling.ScaleShape(info.Shape[0], info.Shape[1]));
    }

    // A weight, and the scales that it was quantized with, so that the file is read and quantized once; a 14B model has 3 MB of them.
    private sealed class Source(string weight)
    {
        public string Weight => weight;

        public float[]? Scales { get; set; }
    }
}
