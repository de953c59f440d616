using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>
/// Rectified-flow pre-training: mean squared error to noise − x₀. Some conditions are replaced by the negative one, so
/// that the network can be guided (classifier-free guidance).
/// </summary>
/// <remarks>arXiv 2209.03003, section 2; arXiv 2207.12598 for the dropout.</remarks>
public sealed class FlowMatchingLoss(IVelocityNetwork network, ITimeDistribution times, double conditionDropout)
{
    /// <summary>The loss of a batch. Draws times, then dropout, then noise.</summary>
    /// <param name="clean">x₀, <c>[B, C, T, H, W]</c>.</param>
    /// <param name="condition">What the samples show.</param>
    /// <param name="negative">The condition of samples whose own is dropped.</param>
    /// <param name="random">The source of every draw.</param>
    /// <returns>The loss; intermediate <c>noisy</c>.</returns>
    public LossResult Compute(Tensor clean, Condition condition, Condition negative, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        long batch = clean.size(0);
        Tensor level = times.Sample(random, batch).to(clean.device).to_type(ScalarType.Float32);
        Tensor dropped = random.Uniform(batch).to(clean.device).lt(conditionDropout);
        Tensor noise = random.Normal(clean.shape).to(clean.device);
        Tensor t = TrigFlow.Broadcast(level), noisy = (1 - t) * clean + t * noise;
        Condition shown = condition with { Text = where(dropped.view(-1, 1, 1), negative.Text, condition.Text) };
        Tensor error = network.Predict(noisy, 1000 * level, shown) - (noise - clean);
        return new LossResult(error.square().mean([1, 2, 3, 4]), new Dictionary<string, Tensor> { ["noisy"] = noisy })
            .MoveToOuterDisposeScope();
    }
}
