using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>t is uniform, then shifted towards the noisy end: s·t/(1 + (s − 1)·t).</summary>
/// <param name="Shift">s; 1 leaves it uniform.</param>
public sealed record ShiftedUniformTimes(double Shift) : ITimeDistribution
{
    /// <inheritdoc/>
    public Tensor Sample(IRandomSource random, long count)
    {
        using var scope = NewDisposeScope();
        return Apply(random.Uniform(count).to_type(ScalarType.Float64), Shift).MoveToOuterDisposeScope();
    }

    /// <summary>The shift, elementwise.</summary>
    internal static Tensor Apply(Tensor t, double shift) => shift * t / (1 + (shift - 1) * t);
}
