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

    internal override Operand Prepare(Tensor x)
    {
        using var scope = NewDisposeScope();
        Int8Operand operand;
        using (no_grad())
        {
            (Tensor values, Tensor scales) = BlockInt8.Quantize(x.reshape(-1, x.size(-1)));
            operand = new Int8Operand(values, scales, x.shape[..^1], x.dtype);
        }
        bool recorded = is_grad_enabled() && x.requires_grad;
        return (recorded ? new RecordedInt8Operand(StraightThrough(Dequantize(operand), x)) : (Operand)operand).MoveToOuterDisposeScope();
    }

    internal override Operand Prepare(Tensor x, Norm norm)
    {
        if (is_grad_enabled())
        {
            using var scope = NewDisposeScope();
            return Prepare(norm.Apply(x, x.dtype)).MoveToOuterDisposeScope();
        }
        (Tensor values, Tensor scales) = BlockInt8.Quantize(x, norm);
        return new Int8Operand(values, scales, x.shape[..^1], x.dtype);
    }

    internal override Tensor Multiply(Operand x)
    {
        using var scope = NewDisposeScope();
        if (IsRecorded(x)) return MultiplyRecorded(x).MoveToOuterDisposeScope();
        Int8Operand a = Of<Int8Operand>(x);
        return Int8Matmul.Multiply((a.Values, a.Scales), Weights(), _bias, a.Dtype).reshape([.. a.Leading, OutFeatures])
            .MoveToOuterDisposeScope();
    }

    internal override Operand MultiplyGelu(Operand x)
    {
        if (IsRecorded(x)) return base.MultiplyGelu(x);
        using var scope = NewDisposeScope();
        Int8Operand a = Of<Int8Operand>(x);
        (Tensor values, Tensor scales) = Int8Matmul.MultiplyGelu((a.Values, a.Scales), Weights(), _bias, a.Dtype);
        return (a with { Values = values, Scales = scales }).MoveToOuterDisposeScope();
    }

    internal override Tensor MultiplyAdd(Operand x, Tensor residual, Tensor? gate = null)
    {
        // The end of the product takes one gate for all tokens of a clip, and records nothing.
        if (IsRecorded(x) || gate is not null && gate.size(1) > 1) return base.MultiplyAdd(x, residual, gate);
        using var scope = NewDisposeScope();
        Int8Operand a = Of<Int8Operand>(x);
        return Int8Matmul.MultiplyAdd((a.Values, a.Scales), Weights(), _bias, residual, gate).MoveToOuterDisposeScope();
    }

    // With factors, those that a file with the factors merged has: quantized anew.
    private (Tensor Values, Tensor Scales) Weights()
    {
        if (Factors is null) return (_weight, _scale);
        using var scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        (Tensor values, Tensor scales) = BlockInt8.Quantize(Factors.AddTo(BlockInt8.Dequantize(_weight, _scale)));
        return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }

    // The product of what the int8 values stand for. The factors get the gradient that they would have if the sum of weights and
    // factors were not rounded: their own product adds nothing but that.
    private Tensor MultiplyRecorded(Operand x)
    {
        Tensor a = x is RecordedInt8Operand recorded ? recorded.Values : Dequantize(Of<Int8Operand>(x));
        (Tensor values, Tensor scales) = Weights();
        Tensor product = nn.functional.linear(a, BlockInt8.Dequantize(values, scales).to_type(a.dtype), _bias);
        return Factors is null ? product : StraightThrough(product, Factors.Apply(a.detach()));
    }

    private bool IsRecorded(Operand x) => x is RecordedInt8Operand || Factors is not null && is_grad_enabled();

    private static Tensor Dequantize(Int8Operand x) =>
        BlockInt8.Dequantize(x.Values, x.Scales).to_type(x.Dtype).reshape([.. x.Leading, x.Values.size(1)]);

    // The value, with the gradient of the other beside its own.
    private static Tensor StraightThrough(Tensor value, Tensor gradient) => value + (gradient - gradient.detach());
}
