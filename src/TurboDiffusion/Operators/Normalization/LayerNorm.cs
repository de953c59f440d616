using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>Layer normalisation of the last axis, with weight and bias. libtorch computes it in float32 for every dtype.</summary>
public sealed class LayerNorm : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter _bias;

    private readonly double _eps;

    /// <summary>Creates the layer; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="features">Size of the last axis.</param>
    /// <param name="eps">ε.</param>
    /// <param name="placement">Device and dtype of weight and bias.</param>
    public LayerNorm(long features, double eps, Placement placement)
        : base(nameof(LayerNorm))
    {
        _eps = eps;
        _weight = placement.Empty(features);
        _bias = placement.Empty(features);
        RegisterComponents();
    }

    /// <summary>The layer as a value, for whoever takes what it normalises.</summary>
    internal Norm Norm => new(_weight, _bias, Offset: 0, _eps);

    /// <inheritdoc/>
    public override Tensor forward(Tensor input) => Norm.Apply(input, input.dtype);
}
