using static TorchSharp.torch;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>How far an accelerated path is from the plain one with float weights, both of the same weights, text and noise.</summary>
/// <param name="Label">The accelerated path.</param>
/// <param name="Reference">The plain path.</param>
/// <param name="Steps">The latents after each step of the denoising; errors of earlier steps add up.</param>
/// <param name="Blocks">
/// Each block's output at the first step, from the input that it has on the plain path: the error of that block alone.
/// </param>
internal sealed record PathDifference(string Label, string Reference, IReadOnlyList<Deviation> Steps, IReadOnlyList<Deviation> Blocks);

/// <summary>How far a tensor is from another; NaN where a value of theirs is none.</summary>
/// <param name="RelativeL2">‖x − reference‖ / ‖reference‖.</param>
/// <param name="Cosine">x · reference / (‖x‖ · ‖reference‖).</param>
internal sealed record Deviation(double RelativeL2, double Cosine)
{
    /// <summary>Compares.</summary>
    /// <param name="x">Any shape and float dtype.</param>
    /// <param name="reference">The same shape, on the same device.</param>
    public static Deviation Of(Tensor x, Tensor reference)
    {
        using var scope = NewDisposeScope();
        // bfloat16 is widened for its sums; float64 stays as it is.
        ScalarType dtype = reference.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        Tensor a = x.to_type(dtype), b = reference.to_type(dtype);
        double Number(Tensor value) => value.to_type(ScalarType.Float64).item<double>();
        double length = Number(b.norm());
        return new Deviation(Number((a - b).norm()) / length, Number((a * b).sum()) / (Number(a.norm()) * length));
    }
}
