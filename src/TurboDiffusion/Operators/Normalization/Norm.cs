using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>
/// A layer normalisation of the last axis with what follows it, LN(x)·(offset + scale) + shift, as a value: whoever takes the
/// normalised numbers applies it, so that normalisation and quantization can be one pass.
/// </summary>
/// <param name="Scale">Float <c>[features]</c>, <c>[B, 1, features]</c>, or <c>[B, L, features]</c>: <see cref="IsPerToken"/>.</param>
/// <param name="Shift">As the scale.</param>
/// <param name="Offset">1 for a modulation, 0 for affine weights.</param>
/// <param name="Eps">ε of the normalisation.</param>
internal readonly record struct Norm(Tensor Scale, Tensor Shift, double Offset, double Eps)
{
    /// <summary>LN(x)·(1 + scale) + shift: the adaptive normalisation of a diffusion transformer.</summary>
    /// <param name="scale">Float32 <c>[B, 1, features]</c> or <c>[B, L, features]</c>.</param>
    /// <param name="shift">As the scale.</param>
    /// <param name="eps">ε of the normalisation.</param>
    public static Norm Modulated(Tensor scale, Tensor shift, double eps) => new(scale, shift, 1, eps);

    /// <summary>Whether each token has a scale and shift of its own, rather than all of a clip the same.</summary>
    public bool IsPerToken => Scale.dim() == 3 && Scale.size(1) > 1;

    /// <summary>The normalised numbers.</summary>
    /// <param name="x"><c>[B, L, features]</c></param>
    /// <param name="dtype">Of the result and of what is held in memory on the way; sums and products are float32 in any.</param>
    /// <returns><c>[B, L, features]</c></returns>
    public Tensor Apply(Tensor x, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        Tensor input = x.to_type(dtype);
        long[] features = [x.size(-1)];
        return (Offset == 0
            ? nn.functional.layer_norm(input, features, Scale.to_type(dtype), Shift.to_type(dtype), Eps)
            : Shift.to_type(dtype).addcmul(nn.functional.layer_norm(input, features, eps: Eps), (Scale + Offset).to_type(dtype), 1))
            .MoveToOuterDisposeScope();
    }
}
