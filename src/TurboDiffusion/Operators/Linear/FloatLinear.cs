using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>A linear layer with float weights: y = x·Wᵀ + b, in the dtype of the input and weights.</summary>
public sealed class FloatLinear : LinearLayer
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter? _bias;

    /// <summary>Creates the layer; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="inFeatures">Size of the last axis of the input.</param>
    /// <param name="outFeatures">Size of the last axis of the output.</param>
    /// <param name="placement">Device and dtype of the weights.</param>
    /// <param name="bias">Whether there is a bias.</param>
    public FloatLinear(long inFeatures, long outFeatures, Placement placement, bool bias = true)
        : base(inFeatures, outFeatures)
    {
        _weight = placement.Empty(outFeatures, inFeatures);
        _bias = bias ? placement.Empty(outFeatures) : null;
        RegisterComponents();
    }

    /// <summary>The weights, <c>[out, in]</c>.</summary>
    public Parameter Weight => _weight;

    /// <summary>The bias, <c>[out]</c>, or null.</summary>
    public Parameter? Bias => _bias;

    internal override Operand Prepare(Tensor x) => new FloatOperand(x);

    internal override Operand Prepare(Tensor x, Norm norm) => new FloatOperand(norm.Apply(x, x.dtype));

    internal override Tensor Multiply(Operand x)
    {
        Tensor values = Of<FloatOperand>(x).Values;
        if (Factors is null) return nn.functional.linear(values, _weight, _bias);
        using var scope = NewDisposeScope();
        return (nn.functional.linear(values, _weight, _bias) + Factors.Apply(values)).MoveToOuterDisposeScope();
    }
}
