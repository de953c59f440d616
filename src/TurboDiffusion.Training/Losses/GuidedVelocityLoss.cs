using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>
/// Teaches the student, in one call, the velocity that the teacher has with guidance, which takes two: mean squared error.
/// </summary>
/// <remarks>arXiv 2210.03142, section 3.1, with one strength of guidance.</remarks>
public sealed class GuidedVelocityLoss(IVelocityNetwork student, IVelocityNetwork teacher, ITimeDistribution times)
{
    /// <summary>The loss of a batch. Draws times, then noise.</summary>
    /// <param name="clean">x₀, <c>[B, C, T, H, W]</c>.</param>
    /// <param name="guidance">What the samples show, and how strongly the teacher follows it.</param>
    /// <param name="random">The source of every draw.</param>
    /// <returns>The loss; intermediate <c>noisy</c>.</returns>
    public LossResult Compute(Tensor clean, Guidance guidance, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        Tensor time = TrigFlow.FromLevel(times.Sample(random, clean.size(0))).to(clean.device);
        Tensor noisy = TrigFlow.Mix(clean, random.Normal(clean.shape).to(clean.device), time), target;
        using (no_grad()) target = TrigFlow.Predict(teacher, noisy, time, guidance).Velocity;
        Tensor error = TrigFlow.Predict(student, noisy, time, guidance.Positive).Velocity - target;
        return new LossResult(error.square().mean([1, 2, 3, 4]), new Dictionary<string, Tensor> { ["noisy"] = noisy })
            .MoveToOuterDisposeScope();
    }
}
