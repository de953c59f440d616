using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>
/// sCM: the student's clean estimate must not change along the teacher's flow. The derivative along the flow is a finite
/// difference, so that no forward-mode differentiation is needed.
/// </summary>
/// <remarks>arXiv 2410.11081, section 4 (tangent normalisation and warm-up); arXiv 2510.08431, section 3.</remarks>
public sealed class ContinuousConsistencyLoss(IVelocityNetwork student, IVelocityNetwork teacher, ITimeDistribution times,
    RcmOptions options)
{
    /// <summary>The loss of a batch. Draws times, then noise.</summary>
    /// <param name="clean">x₀, <c>[B, C, T, H, W]</c>.</param>
    /// <param name="guidance">What the samples show, and how strongly the teacher follows it.</param>
    /// <param name="iteration">The training iteration, for the warm-up of the tangent.</param>
    /// <param name="random">The source of every draw.</param>
    /// <returns>The loss; intermediates <c>noisy</c> and <c>tangent</c> (d(clean estimate)/dτ times cos τ).</returns>
    public LossResult Compute(Tensor clean, Guidance guidance, int iteration, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        Tensor time = TrigFlow.FromLevel(times.Sample(random, clean.size(0))).to(clean.device);
        Tensor noisy = TrigFlow.Mix(clean, random.Normal(clean.shape).to(clean.device), time);
        Tensor cos = TrigFlow.Broadcast(time).cos(), sin = TrigFlow.Broadcast(time).sin();

        Tensor teacherVelocity, earlier;
        double h = options.FiniteDifferenceStep;
        using (no_grad())
        {
            teacherVelocity = TrigFlow.Predict(teacher, noisy, time, guidance).Velocity;
            // One step of size h back along the teacher's flow.
            Tensor before = Math.Cos(h) * noisy - Math.Sin(h) * teacherVelocity;
            earlier = TrigFlow.Predict(student, before, time - h, guidance.Positive).Velocity;
        }
        Tensor velocity = TrigFlow.Predict(student, noisy, time, guidance.Positive).Velocity, fixedVelocity = velocity.detach();
        Tensor derivative = cos * sin * (Math.Cos(h) * fixedVelocity - earlier) / Math.Sin(h);

        double warmUp = options.TangentWarmUp == 0 ? 1 : Math.Min(1.0, (double)iteration / options.TangentWarmUp);
        Tensor difference = fixedVelocity - teacherVelocity;
        Tensor tangent = -cos * (1 - warmUp * warmUp * sin * sin).sqrt() * difference - (warmUp * cos * sin * noisy + derivative);
        Tensor normalised = tangent / (TrigFlow.Broadcast(TrigFlow.SumPerSample(tangent * tangent)).sqrt() + 0.1);
        Tensor perSample = options.ConsistencyScale * TrigFlow.SumPerSample((velocity - fixedVelocity - normalised).square());
        return new LossResult(perSample, new Dictionary<string, Tensor>
        {
            ["noisy"] = noisy,
            ["tangent"] = -cos * difference - (sin * noisy + derivative),
        }).MoveToOuterDisposeScope();
    }
}
