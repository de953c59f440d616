using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Linear;

/// <summary>
/// The number format that the fp8 trial of <c>sm90_int8_matmul</c> multiplies: e4m3 with a scale per 128×128 weights and per 1×128
/// activations, scale = amax / 448. No layer has it.
/// </summary>
internal static class Fp8Trial
{
    /// <summary>Activations: bytes <c>[M, K]</c> in an int8 tensor, and scales <c>[⌈K/128⌉, M]</c>.</summary>
    /// <param name="x">Float32 <c>[M, K]</c></param>
    public static (Tensor Values, Tensor Scales) Activations(Tensor x)
    {
        (Tensor values, Tensor scales) = Quantize(x, 1);
        return (values, scales.t().contiguous());
    }

    /// <summary>Weights: bytes <c>[N, K]</c> in an int8 tensor, and scales <c>[⌈N/128⌉, ⌈K/128⌉]</c>.</summary>
    /// <param name="w">Float32 <c>[N, K]</c></param>
    public static (Tensor Values, Tensor Scales) Weights(Tensor w) => Quantize(w, BlockInt8.BlockSize);

    /// <summary>The product of what the bytes stand for, in float32: the plain form of the trial.</summary>
    public static Tensor Multiply((Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b)
    {
        Tensor left = Decode(a.Values) * a.Scales.t().repeat_interleave(BlockInt8.BlockSize, dim: 1).narrow(1, 0, a.Values.shape[1]);
        Tensor right = Decode(b.Values) * b.Scales.repeat_interleave(BlockInt8.BlockSize, dim: 0).narrow(0, 0, b.Values.shape[0])
            .repeat_interleave(BlockInt8.BlockSize, dim: 1).narrow(1, 0, b.Values.shape[1]);
        return left.matmul(right.t());
    }

    /// <summary>The bytes of values that e4m3 represents.</summary>
    /// <param name="x">Float32, of <see cref="Fp8.Round"/>.</param>
    public static Tensor Encode(Tensor x)
    {
        Tensor size = x.abs(), exponent = size.clamp_min(Math.Pow(2, -9)).log2().floor().clamp(-6, 8);
        // 8 units for each binade above the subnormal numbers', and the units of the spacing within it.
        Tensor code = (exponent + 6) * 8 + size / exponent.sub(3).exp2();
        return (code - x.lt(0).to_type(ScalarType.Float32) * 128).to_type(ScalarType.Int8);
    }

    /// <summary>What bytes stand for.</summary>
    /// <param name="bytes">Of <see cref="Encode"/>.</param>
    public static Tensor Decode(Tensor bytes)
    {
        Tensor code = bytes.to_type(ScalarType.Float32), negative = code.lt(0).to_type(ScalarType.Float32);
        Tensor size = code + negative * 128, exponent = (size / 8).floor().clamp_min(1);
        return (size - (exponent - 1) * 8) * (exponent - 10).exp2() * (1 - 2 * negative);
    }

    private static (Tensor Values, Tensor Scales) Quantize(Tensor x, long blockRows)
    {
        long rows = x.shape[0], columns = x.shape[1], rowBlocks = (rows + blockRows - 1) / blockRows,
            columnBlocks = BlockInt8.Blocks(columns);
        Tensor blocks = nn.functional.pad(x, [0, columnBlocks * BlockInt8.BlockSize - columns, 0, rowBlocks * blockRows - rows])
            .reshape(rowBlocks, blockRows, columnBlocks, BlockInt8.BlockSize);
        Tensor scales = blocks.abs().amax([1, 3], keepdim: true).clamp_min(1e-8) / Fp8.MaxValue;
        Tensor values = Encode(Fp8.Round(blocks / scales)).reshape(rowBlocks * blockRows, columnBlocks * BlockInt8.BlockSize)
            .narrow(0, 0, rows).narrow(1, 0, columns).contiguous();
        return (values, scales.reshape(rowBlocks, columnBlocks));
    }
}
