using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>
/// DMD: moves the student's samples from where the critic (a model of the student's distribution) would put them to
/// where the teacher would.
/// </summary>
/// <remarks>arXiv 2405.14867, section 4; arXiv 2510.08431, section 4.</remarks>
public sealed class DistributionMatchingLoss(
    IVelocityNetwork teacher, IVelocityNetwork critic, StudentSimulation simulation, ITimeDistribution times, RcmOptions options)
{
    // Keeps the weight finite where the student already agrees with the teacher.
    private const double MinDistance = 1e-5;

    /// <summary>The loss of a batch. Draws the simulation, then times, then noise.</summary>
    /// <param name="shape"><c>[B, C, T, H, W]</c>.</param>
    /// <param name="guidance">What the samples show, and how strongly the teacher follows it.</param>
    /// <param name="steps">Student calls of the simulation.</param>
    /// <param name="random">The source of every draw.</param>
    /// <returns>The loss; intermediates <c>sample</c>, <c>noisy</c>, <c>critic</c> and <c>teacher</c>.</returns>
    public LossResult Compute(long[] shape, Guidance guidance, int steps, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        Tensor sample = simulation.Run(shape, guidance.Positive, steps, gradient: true, random), fixedSample = sample.detach();
        Tensor time = TrigFlow.FromLevel(times.Sample(random, shape[0])).to(sample.device);
        Tensor noisy, ofCritic, ofTeacher, direction;
        using (no_grad())
        {
            noisy = TrigFlow.Mix(fixedSample, random.Normal(shape).to(sample.device), time);
            ofCritic = TrigFlow.Predict(critic, noisy, time, guidance.Positive).Clean;
            ofTeacher = TrigFlow.Predict(teacher, noisy, time, guidance).Clean;
            Tensor distance = (fixedSample - ofTeacher).abs().mean([1, 2, 3, 4], keepdim: true).clamp(min: MinDistance);
            direction = (ofCritic - ofTeacher) / distance;
        }
        Tensor perSample = options.DistributionScale * TrigFlow.SumPerSample((sample - (fixedSample - direction)).square());
        return new LossResult(perSample, new Dictionary<string, Tensor>
        {
            ["sample"] = fixedSample,
            ["noisy"] = noisy,
            ["critic"] = ofCritic,
            ["teacher"] = ofTeacher,
        }).MoveToOuterDisposeScope();
    }
}
