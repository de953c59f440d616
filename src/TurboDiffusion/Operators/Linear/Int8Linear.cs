using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// A W8A8 linear layer: int8 weights as stored, activations quantized to int8 on the fly, both in 128×128 blocks
/// (<see cref="BlockInt8"/>). y = Σ over blocks of K of int32 sums · (activation scale · weight scale) + bias.
/// </summary>
/// <remarks>TurboDiffusion aaecff5, <c>ops/core.py Int8Linear</c>.</remarks>
public sealed class Int8Linear : LinearLayer
{
    [ComponentName(Name = "int8_weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "scale")]
    private readonly Parameter _scale;

    [ComponentName(Name = "bias")]
    private readonly Parameter? _bias;

    /// <summary>Creates the layer; its values come from a checkpoint.</summary>
    /// <param name="inFeatures">Size of the last axis of the input.</param>
    /// <param name="outFeatures">Size of the last axis of the output.</param>
    /// <param name="placement">Device of the weights, and dtype of the bias.</param>
    /// <param name="bias">Whether there is a bias.</param>
    public Int8Linear(long inFeatures, long outFeatures, Placement placement, bool bias = true)
        : base(inFeatures, outFeatures)
    {
        _weight = placement.Empty(ScalarType.Int8, outFeatures, inFeatures);
        _scale = placement.Empty(ScalarType.Float32, BlockInt8.Blocks(outFeatures), BlockInt8.Blocks(inFeatures));
        _bias = bias ? placement.Empty(outFeatures) : null;
        RegisterComponents();
    }

    private (Tensor Values, Tensor Scales) Weights => (_weight, _scale);

    internal override Operand Prepare(Tensor x)
    {
        using var scope = NewDisposeScope();
        (Tensor values, Tensor scales) = BlockInt8.Quantize(x.reshape(-1, InFeatures));
        return new Int8Operand(values, scales, x.shape[..^1], x.dtype).MoveToOuterDisposeScope();
    }

    internal override Operand Prepare(Tensor x, Norm norm)
    {
        (Tensor values, Tensor scales) = BlockInt8.Quantize(x, norm);
        return new Int8Operand(values, scales, x.shape[..^1], x.dtype);
    }

    internal override Tensor Multiply(Operand x)
    {
        using var scope = NewDisposeScope();
        Int8Operand a = Of<Int8Operand>(x);
        return Int8Matmul.Multiply((a.Values, a.Scales), Weights, _bias, a.Dtype).reshape([.. a.Leading, OutFeatures])
            .MoveToOuterDisposeScope();
    }

    internal override Operand MultiplyGelu(Operand x)
    {
        Int8Operand a = Of<Int8Operand>(x);
        (Tensor values, Tensor scales) = Int8Matmul.MultiplyGelu((a.Values, a.Scales), Weights, _bias, a.Dtype);
        return a with { Values = values, Scales = scales };
    }

    internal override Tensor MultiplyAdd(Operand x, Tensor residual, Tensor? gate = null)
    {
        using var scope = NewDisposeScope();
        Int8Operand a = Of<Int8Operand>(x);
        // The end of the product takes one gate for all tokens of a clip.
        if (gate is not null && gate.shape[1] > 1)
            return residual.addcmul(Multiply(x), gate.to_type(residual.dtype), 1).MoveToOuterDisposeScope();
        return Int8Matmul.MultiplyAdd((a.Values, a.Scales), Weights, _bias, residual, gate).MoveToOuterDisposeScope();
    }
}
