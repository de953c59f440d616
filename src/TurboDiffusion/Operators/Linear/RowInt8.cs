using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// A matrix of weights in int8 with one float32 scale per row, which a product takes out of its sums: x·Wᵀ = (x·valuesᵀ)·scales. scale =
/// amax/127, values rounded half to even. Finer than <see cref="BlockInt8"/> where a row is shorter than 16384.
/// </summary>
internal static class RowInt8
{
    private const double MaxMagnitude = 127;
    private const double MinAmax = 1e-8;

    /// <summary>Quantizes a matrix.</summary>
    /// <param name="x">Float <c>[N, K]</c>.</param>
    /// <returns>int8 <c>[N, K]</c>, −127 to 127, and float32 scales <c>[N]</c>.</returns>
    public static (Tensor Values, Tensor Scales) Quantize(Tensor x)
    {
        using var scope = NewDisposeScope();
        Tensor wide = x.to_type(ScalarType.Float32);
        Tensor scales = maximum(wide.amax([1]), -wide.amin([1])).clamp_min(MinAmax) / MaxMagnitude;
        Tensor values = (wide / scales.unsqueeze(1)).round_().clamp_(-MaxMagnitude, MaxMagnitude).to_type(ScalarType.Int8);
        return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }

    /// <summary>The float32 matrix that int8 values and scales stand for.</summary>
    /// <param name="values">int8 <c>[N, K]</c>.</param>
    /// <param name="scales">Float32 <c>[N]</c>.</param>
    /// <returns>Float32 <c>[N, K]</c>.</returns>
    public static Tensor Dequantize(Tensor values, Tensor scales)
    {
        using var scope = NewDisposeScope();
        return values.to_type(ScalarType.Float32).mul_(scales.unsqueeze(1)).MoveToOuterDisposeScope();
    }
}
