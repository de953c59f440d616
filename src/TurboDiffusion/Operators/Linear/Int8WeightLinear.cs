using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// A linear layer without bias whose weights alone are int8, with a scale per row: y = x·Wᵀ, computed in the dtype of the input, which is
/// not rounded. For activations with outliers, beside which int8 would leave the other values of their block next to nothing.
/// </summary>
public sealed class Int8WeightLinear : LinearLayer
{
    [ComponentName(Name = "int8_weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "scale")]
    private readonly Parameter _scale;

    /// <summary>Creates the layer; its values come from a checkpoint.</summary>
    /// <param name="inFeatures">Size of the last axis of the input.</param>
    /// <param name="outFeatures">Size of the last axis of the output.</param>
    /// <param name="placement">Device of the weights.</param>
    public Int8WeightLinear(long inFeatures, long outFeatures, Placement placement)
        : base(inFeatures, outFeatures)
    {
        _weight = placement.Empty(ScalarType.Int8, outFeatures, inFeatures);
        _scale = placement.Empty(ScalarType.Float32, outFeatures);
        RegisterComponents();
    }

    internal override Operand Prepare(Tensor x) => new FloatOperand(x);

    internal override Operand Prepare(Tensor x, Norm norm) => new FloatOperand(norm.Apply(x, x.dtype));

    internal override Tensor Multiply(Operand x)
    {
        using var scope = NewDisposeScope();
        Tensor values = Of<FloatOperand>(x).Values, product;
        // The int8 values are exact in every float type, and one layer's at a time are in memory. float16 cannot hold the sums of what is
        // not scaled yet.
        if (values.dtype == ScalarType.Float16)
            product = nn.functional.linear(values, RowInt8.Dequantize(_weight, _scale).to_type(values.dtype));
        else
            product = (nn.functional.linear(values, _weight.to_type(values.dtype)) * _scale).to_type(values.dtype);
        return (Factors is null ? product : product + Factors.Apply(values)).MoveToOuterDisposeScope();
    }
}
