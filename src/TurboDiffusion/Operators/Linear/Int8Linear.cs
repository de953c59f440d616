using TorchSharp.Modules;
using TorchSharp.Utils;
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

    /// <summary>The weights, int8 <c>[out, in]</c>, and their scales.</summary>
    internal (Tensor Values, Tensor Scales) Weights => (_weight, _scale);

    /// <summary>The bias, <c>[out]</c>, or null.</summary>
    internal Tensor? Bias => _bias;

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return Multiply(BlockInt8.Quantize(input.reshape(-1, InFeatures)), input).MoveToOuterDisposeScope();
    }

    /// <summary>The layer of an input that is quantized already: layers that share an input share its quantization.</summary>
    /// <param name="quantized">int8 <c>[M, in]</c> and its scales.</param>
    /// <param name="like">Gives the output's dtype and all axes but the last, M elements together.</param>
    /// <returns><c>[..., out]</c></returns>
    internal Tensor Multiply((Tensor Values, Tensor Scales) quantized, Tensor like)
    {
        using var scope = NewDisposeScope();
        return Int8Matmul.Multiply(quantized, Weights, _bias, like.dtype).reshape([.. like.shape[..^1], OutFeatures]).MoveToOuterDisposeScope();
    }

    /// <summary>The layer, gated and added: residual + gate · (input·Wᵀ + b).</summary>
    /// <param name="input"><c>[B, L, in]</c></param>
    /// <param name="residual"><c>[B, L, out]</c></param>
    /// <param name="gate">Float32 <c>[B, 1, out]</c>, or null for 1.</param>
    /// <returns><c>[B, L, out]</c></returns>
    internal Tensor AddGated(Tensor input, Tensor residual, Tensor? gate)
    {
        using var scope = NewDisposeScope();
        return Int8Matmul.MultiplyAddGated(BlockInt8.Quantize(input.reshape(-1, InFeatures)), Weights, _bias, residual, gate)
            .MoveToOuterDisposeScope();
    }
}
