using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Models.Layers;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Quantization;

/// <summary>
/// A W8A8 linear layer: int8 weights as stored, activations quantized to int8 on the fly, both in 128×128 blocks
/// (<see cref="BlockInt8"/>). y = Σ over blocks of K of int32 sums · (activation scale · weight scale) + bias.
/// </summary>
/// <remarks>
/// This is the plain form: it multiplies the dequantized matrices in float32, which is the same sum up to the order of
/// float32 rounding. TurboDiffusion aaecff5, <c>ops/core.py Int8Linear</c>.
/// </remarks>
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

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        (Tensor values, Tensor scales) = BlockInt8.Quantize(input.reshape(-1, InFeatures));
        Tensor output = BlockInt8.Dequantize(values, scales).matmul(BlockInt8.Dequantize(_weight, _scale).t());
        if (_bias is not null) output += _bias.to_type(ScalarType.Float32);
        return output.to_type(input.dtype).reshape([.. input.shape[..^1], OutFeatures]).MoveToOuterDisposeScope();
    }
}
