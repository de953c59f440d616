using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>Root-mean-square normalisation of the last axis, x / √(mean x² + ε) · weight, computed in float32.</summary>
public sealed class RmsNorm : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    private readonly double _eps;

    /// <summary>Creates the layer; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="features">Size of the last axis.</param>
    /// <param name="eps">ε.</param>
    /// <param name="placement">Device and dtype of the weight.</param>
    public RmsNorm(long features, double eps, Placement placement)
        : base(nameof(RmsNorm))
    {
        _eps = eps;
        _weight = placement.Empty(features);
        RegisterComponents();
    }

    /// <summary>The weight, <c>[features]</c>.</summary>
    internal Tensor Weight => _weight;

    /// <summary>ε.</summary>
    internal double Eps => _eps;

    /// <inheritdoc/>
    public override Tensor forward(Tensor input) => TorchScript.RmsNorm(input, _weight, _eps);
}
