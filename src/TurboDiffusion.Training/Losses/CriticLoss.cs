using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>Trains the critic ("fake score") to denoise the student's samples: x₀ regression weighted by 1/sin² τ.</summary>
/// <remarks>arXiv 2510.08431, section 4.</remarks>
public sealed class CriticLoss(IVelocityNetwork critic, StudentSimulation simulation, ITimeDistribution times)
{
    /// <summary>The loss of a batch. Draws the simulation, then times, then noise.</summary>
    /// <param name="shape"><c>[B, C, T, H, W]</c>.</param>
    /// <param name="condition">What the samples show.</param>
    /// <param name="steps">Student calls of the simulation.</param>
    /// <param name="random">The source of every draw.</param>
    /// <returns>The loss; intermediates <c>sample</c>, <c>noisy</c> and <c>critic</c>.</returns>
    public LossResult Compute(long[] shape, Condition condition, int steps, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        Tensor sample = simulation.Run(shape, condition, steps, gradient: false, random);
        Tensor time = TrigFlow.FromLevel(times.Sample(random, shape[0])).to(sample.device);
        Tensor noisy = TrigFlow.Mix(sample, random.Normal(shape).to(sample.device), time);
        Tensor estimate = TrigFlow.Predict(critic, noisy, time, condition).Clean;
        Tensor perSample = TrigFlow.SumPerSample(((sample - estimate) / TrigFlow.Broadcast(time).sin()).square());
        return new LossResult(perSample, new Dictionary<string, Tensor>
        {
            ["sample"] = sample,
            ["noisy"] = noisy,
            ["critic"] = estimate.detach(),
        }).MoveToOuterDisposeScope();
    }
}
