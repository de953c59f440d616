using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>How SageAttention turns q and k into int8 and v into fp8.</summary>
/// <remarks>
/// arXiv 2411.10958, section 3; the exact rounding is that of the kernels that TurboDiffusion aaecff5 calls:
/// scale = amax/127 + 1e-7, round half away from zero.
/// </remarks>
public static class SageQuantization
{
    private const double Int8Max = 127;
    private const double ScaleOffset = 1e-7;

    /// <summary>Quantizes the queries.</summary>
    /// <param name="q"><c>[B, L, H, D]</c></param>
    /// <param name="block">Tokens per scale.</param>
    /// <returns>int8 <c>[B, H, L, D]</c> and float32 scales <c>[B, H, blocks]</c>.</returns>
    public static (Tensor Values, Tensor Scales) QuantizeQueries(Tensor q, int block) => Quantize(q, block);

    /// <summary>Quantizes the keys less their mean over the sequence, which leaves the softmax unchanged.</summary>
    /// <param name="k"><c>[B, L, H, D]</c></param>
    /// <param name="block">Tokens per scale.</param>
    /// <returns>int8 <c>[B, H, L, D]</c> and float32 scales <c>[B, H, blocks]</c>.</returns>
    public static (Tensor Values, Tensor Scales) QuantizeKeys(Tensor k, int block)
    {
        using var scope = NewDisposeScope();
        (Tensor values, Tensor scales) = Quantize(k - KeyMean(k), block);
        return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }

    /// <summary>The mean of the keys over the sequence, taken in float32.</summary>
    /// <param name="k"><c>[B, L, H, D]</c></param>
    /// <returns><c>[B, 1, H, D]</c> in k's dtype.</returns>
    internal static Tensor KeyMean(Tensor k)
    {
        using var scope = NewDisposeScope();
        return k.to_type(ScalarType.Float32).mean([1], keepdim: true).to_type(k.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Quantizes the values to fp8 e4m3, one scale per channel.</summary>
    /// <param name="v"><c>[B, L, H, D]</c></param>
    /// <returns>Float32 values that e4m3 represents exactly <c>[B, L, H, D]</c> and float32 scales <c>[B, H, 1, D]</c>.</returns>
    public static (Tensor Values, Tensor Scales) QuantizeValues(Tensor v)
    {
        using var scope = NewDisposeScope();
        Tensor x = v.to_type(ScalarType.Float32);
        Tensor scales = x.abs().amax([1], keepdim: true).clamp_min(1e-12) / Fp8.MaxValue;
        return (Fp8.Round(x / scales).MoveToOuterDisposeScope(), scales.transpose(1, 2).MoveToOuterDisposeScope());
    }

    /// <summary>Quantizes the values to fp8 e4m3 with a scale per block of tokens and head, as the Hopper kernel takes them.</summary>
    /// <param name="v"><c>[B, L, H, D]</c></param>
    /// <param name="block">Tokens per scale, a multiple of 16.</param>
    /// <returns>
    /// Float32 values that e4m3 represents exactly <c>[B, H, blocks, D, block]</c>, each 16 tokens in the order 0 1 8 9 2 3 10 11 …, zeros
    /// past the end; and float32 scales <c>[B, H, blocks]</c>.
    /// </returns>
    internal static (Tensor Values, Tensor Scales) QuantizeValueBlocks(Tensor v, int block)
    {
        using var scope = NewDisposeScope();
        Tensor blocks = BlockSelection.Blocks(v.to_type(ScalarType.Float32), block);
        Tensor scales = blocks.abs().amax([3, 4]).clamp_min(1e-12) / Fp8.MaxValue;
        Tensor rounded = Fp8.Round(blocks / scales.unsqueeze(-1).unsqueeze(-1));
        // Token 8·j + 2·t + e of each 16 is at 4·t + 2·j + e.
        Tensor ordered = rounded.unflatten(3, [-1, 2, 4, 2]).transpose(4, 5).flatten(3, 6).transpose(-1, -2);
        return (ordered.contiguous().MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }

    /// <summary>
    /// Quantizes the values to int8: each channel divided by its largest magnitude over the sequence, then with a scale per block of tokens
    /// and head.
    /// </summary>
    /// <param name="v"><c>[B, L, H, D]</c></param>
    /// <param name="block">Tokens per scale.</param>
    /// <returns>
    /// int8 <c>[B, H, L, D]</c>, float32 scales <c>[B, H, blocks]</c>, and the largest magnitudes of the channels, float32
    /// <c>[B, H, D]</c>.
    /// </returns>
    internal static (Tensor Values, Tensor Scales, Tensor Channels) QuantizeValuesInt8(Tensor v, int block)
    {
        using var scope = NewDisposeScope();
        Tensor channels = ValueChannels(v), inverses = where(channels.gt(0), 1 / channels, zeros_like(channels));
        Tensor blocks = BlockSelection.Blocks(v.to_type(ScalarType.Float32), block) * inverses.unsqueeze(2).unsqueeze(2);
        Tensor scales = blocks.abs().amax([3, 4]).clamp_min(1e-12) / Int8Max;
        Tensor values = RoundAway(blocks / scales.unsqueeze(-1).unsqueeze(-1)).flatten(2, 3).narrow(2, 0, v.size(1));
        return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope(), channels.MoveToOuterDisposeScope());
    }

    /// <summary>The largest magnitude of each channel over the sequence.</summary>
    /// <param name="v"><c>[B, L, H, D]</c></param>
    /// <returns>Float32 <c>[B, H, D]</c>.</returns>
    internal static Tensor ValueChannels(Tensor v)
    {
        using var scope = NewDisposeScope();
        // Without a tensor of magnitudes.
        return maximum(v.amax([1]), -v.amin([1])).to_type(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    private static (Tensor Values, Tensor Scales) Quantize(Tensor x, int block)
    {
        using var scope = NewDisposeScope();
        Tensor blocks = BlockSelection.Blocks(x.to_type(ScalarType.Float32), block);
        Tensor scales = blocks.abs().amax([3, 4]) / Int8Max + ScaleOffset;
        Tensor scaled = blocks / scales.unsqueeze(-1).unsqueeze(-1);
        Tensor values = RoundAway(scaled).flatten(2, 3).narrow(2, 0, x.size(1));
        return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }

    // Half away from zero.
    private static Tensor RoundAway(Tensor scaled) =>
        (scaled + 0.5 * scaled.sign()).trunc().clamp(-Int8Max - 1, Int8Max).to_type(ScalarType.Int8);
}
