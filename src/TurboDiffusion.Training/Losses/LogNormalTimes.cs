using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>Noise over signal σ is log-normal; t = σ/(1 + σ).</summary>
/// <param name="Mean">Mean of ln σ.</param>
/// <param name="StandardDeviation">Standard deviation of ln σ.</param>
public sealed record LogNormalTimes(double Mean, double StandardDeviation) : ITimeDistribution
{
    /// <inheritdoc/>
    public Tensor Sample(IRandomSource random, long count)
    {
        using var scope = NewDisposeScope();
        // t = σ/(1 + σ) is the logistic function of ln σ.
        return (random.Normal(count).to_type(ScalarType.Float64) * StandardDeviation + Mean).sigmoid().MoveToOuterDisposeScope();
    }
}
