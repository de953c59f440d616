using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>The e4m3 number format (4 exponent bits, 3 mantissa bits, no infinity), on float32 tensors.</summary>
public static class Fp8
{
    /// <summary>The largest finite value.</summary>
    public const double MaxValue = 448;

    private const int MantissaBits = 3;
    private const int MinExponent = -6;
    private const int MaxExponent = 8;
    private const int Binades = MaxExponent - MinExponent + 1;

    // 2^(−9) … 2⁸: the spacings, and above them the bounds between binades.
    private static readonly float[] PowersOfTwo =
        [.. Enumerable.Range(MinExponent - MantissaBits, Binades + MantissaBits).Select(e => MathF.Pow(2, e))];

    /// <summary>Rounds each value to the nearest representable one, ties to even, saturating at ±448.</summary>
    /// <param name="x">Float32, any shape, finite.</param>
    /// <returns>Float32 values that e4m3 represents exactly.</returns>
    public static Tensor Round(Tensor x)
    {
        using var scope = NewDisposeScope();
        // The spacing of e4m3 around x in [2ᵉ, 2ᵉ⁺¹) is 2^(e − 3), and that of the smallest normals below 2⁻⁶.
        Tensor powers = tensor(PowersOfTwo, device: x.device);
        Tensor spacing = powers.index_select(0, bucketize(x.abs().flatten(), powers.narrow(0, MantissaBits + 1, Binades - 1), right: true))
            .reshape(x.shape);
        return ((x / spacing).round() * spacing).clamp(-MaxValue, MaxValue).MoveToOuterDisposeScope();
    }
}
