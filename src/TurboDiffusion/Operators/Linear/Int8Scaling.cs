using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>How a matrix of weights becomes int8 values and float32 scales, and what they stand for.</summary>
/// <param name="ScaleShape">The scales' shape, of rows and columns.</param>
/// <param name="Quantize">Float <c>[N, K]</c> to int8 values <c>[N, K]</c> and scales.</param>
/// <param name="Dequantize">Back to float32 <c>[N, K]</c>.</param>
internal sealed record Int8Scaling(
    Func<long, long, long[]> ScaleShape, Func<Tensor, (Tensor Values, Tensor Scales)> Quantize, Func<Tensor, Tensor, Tensor> Dequantize)
{
    /// <summary>A scale per block of 128×128, of <see cref="Int8Linear"/>.</summary>
    public static Int8Scaling Blocks { get; } = new(
        (rows, columns) => [BlockInt8.Blocks(rows), BlockInt8.Blocks(columns)], BlockInt8.Quantize, BlockInt8.Dequantize);

    /// <summary>A scale per row, of <see cref="Int8WeightLinear"/>.</summary>
    public static Int8Scaling Rows { get; } = new((rows, _) => [rows], RowInt8.Quantize, RowInt8.Dequantize);
}
