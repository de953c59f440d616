using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// The published W8A8 format: a matrix in int8 with one float32 scale per block of 128×128, for weights and activations
/// alike. scale = amax/128, values rounded half to even and saturated to [−128, 127].
/// </summary>
/// <remarks>TurboDiffusion aaecff5, <c>ops/quant</c> and <c>ops/gemm</c>.</remarks>
public static class BlockInt8
{
    /// <summary>Rows and columns of a block.</summary>
    public const int BlockSize = 128;

    private const double MaxMagnitude = 128;
    private const double MinAmax = 1e-8;

    /// <summary>Blocks along an axis of <paramref name="size"/> elements; the last may be partial.</summary>
    /// <param name="size">The number of rows or columns.</param>
    public static long Blocks(long size) => (size + BlockSize - 1) / BlockSize;

    /// <summary>Quantizes a matrix.</summary>
    /// <param name="x">Float <c>[M, K]</c>.</param>
    /// <returns>int8 <c>[M, K]</c> and float32 scales <c>[⌈M/128⌉, ⌈K/128⌉]</c>.</returns>
    public static (Tensor Values, Tensor Scales) Quantize(Tensor x)
    {
        KernelChoice choice = Choose(x, normalises: false);
        return choice.IsKernel ? BlockInt8QuantizeKernel.Run(x) : QuantizePlain(x);
    }

    /// <summary>
    /// Normalises and quantizes. The kernels do not round to x's dtype in between; the plain form does, as the official code, and so does
    /// a normalisation that differs from token to token, which no kernel takes.
    /// </summary>
    /// <param name="x"><c>[B, L, K]</c></param>
    /// <param name="norm">The normalisation.</param>
    /// <returns>int8 <c>[B·L, K]</c> and float32 scales <c>[⌈B·L/128⌉, ⌈K/128⌉]</c>.</returns>
    internal static (Tensor Values, Tensor Scales) Quantize(Tensor x, Norm norm)
    {
        if (norm.IsPerToken)
        {
            using var scope = NewDisposeScope();
            (Tensor values, Tensor scales) = Quantize(norm.Apply(x, x.dtype).flatten(0, 1));
            return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
        }
        KernelChoice choice = Choose(x, normalises: true);
        return choice.IsKernel ? BlockInt8QuantizeKernel.Run(x, norm, choice.Form) : QuantizePlain(x, norm, x.dtype);
    }

    /// <summary>The plain form of <see cref="Quantize(Tensor, Norm)"/>.</summary>
    /// <param name="x"><c>[B, L, K]</c></param>
    /// <param name="norm">The normalisation.</param>
    /// <param name="between">What is rounded to before quantization: float32 is what the kernels do.</param>
    internal static (Tensor Values, Tensor Scales) QuantizePlain(Tensor x, Norm norm, ScalarType between)
    {
        using var scope = NewDisposeScope();
        (Tensor values, Tensor scales) = QuantizePlain(norm.Apply(x, between).flatten(0, 1));
        return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }

    /// <summary>The plain form of <see cref="Quantize(Tensor)"/>.</summary>
    internal static (Tensor Values, Tensor Scales) QuantizePlain(Tensor x)
    {
        using var scope = NewDisposeScope();
        long rows = x.size(0), columns = x.size(1), rowBlocks = Blocks(rows), columnBlocks = Blocks(columns);
        Tensor blocks = nn.functional.pad(x.to_type(ScalarType.Float32),
            [0, columnBlocks * BlockSize - columns, 0, rowBlocks * BlockSize - rows])
            .reshape(rowBlocks, BlockSize, columnBlocks, BlockSize);
        Tensor scales = blocks.abs().amax([1, 3], keepdim: true).clamp_min(MinAmax) / MaxMagnitude;
        Tensor values = (blocks / scales).round().clamp(-MaxMagnitude, MaxMagnitude - 1).to_type(ScalarType.Int8)
            .reshape(rowBlocks * BlockSize, columnBlocks * BlockSize).narrow(0, 0, rows).narrow(1, 0, columns).contiguous();
        return (values.MoveToOuterDisposeScope(), scales.reshape(rowBlocks, columnBlocks).MoveToOuterDisposeScope());
    }

    /// <summary>The float32 matrix that int8 values and scales stand for.</summary>
    /// <param name="values">int8 <c>[M, K]</c>.</param>
    /// <param name="scales">Float32 <c>[⌈M/128⌉, ⌈K/128⌉]</c>.</param>
    /// <returns>Float32 <c>[M, K]</c>.</returns>
    public static Tensor Dequantize(Tensor values, Tensor scales)
    {
        using var scope = NewDisposeScope();
        long rows = values.size(0), columns = values.size(1);
        Tensor perRow = scales.repeat_interleave(BlockSize, dim: 0).narrow(0, 0, rows);
        if (columns % BlockSize == 0)
            return (values.reshape(rows, -1, BlockSize).to_type(ScalarType.Float32) * perRow.unsqueeze(-1))
                .reshape(rows, columns).MoveToOuterDisposeScope();
        return (values.to_type(ScalarType.Float32) * perRow.repeat_interleave(BlockSize, dim: 1).narrow(1, 0, columns))
            .MoveToOuterDisposeScope();
    }

    private static KernelChoice Choose(Tensor x, bool normalises) => BlockInt8QuantizeKernel.Choose(
        KernelMachine.Offer(KernelOperator.BlockInt8Quantize, x), new(x.numel() / x.size(-1), x.size(-1), x.dtype, normalises));
}
