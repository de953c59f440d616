using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>dCM: the student's clean estimates at two neighbouring times of the teacher's flow must agree.</summary>
/// <remarks>arXiv 2303.01469, section 4; thu-ml/TurboDiffusion at aaecff5, <c>t2v_model_distill_rcm.py</c>.</remarks>
public sealed class DiscreteConsistencyLoss(IVelocityNetwork student, IVelocityNetwork teacher, RcmOptions options)
{
    /// <summary>The loss of a batch. Draws noise, then times.</summary>
    /// <param name="clean">x₀, <c>[B, C, T, H, W]</c>.</param>
    /// <param name="guidance">What the samples show, and how strongly the teacher follows it.</param>
    /// <param name="random">The source of every draw.</param>
    /// <returns>The loss; intermediate <c>noisy</c>.</returns>
    public LossResult Compute(Tensor clean, Guidance guidance, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        int skip = options.DiscreteSkip;
        double step = 1.0 / options.DiscreteSteps;
        Tensor noise = random.Normal(clean.shape).to(clean.device);
        Tensor start = random.Uniform(clean.size(0)).to(clean.device).to_type(ScalarType.Float64) * (1 - skip * step);
        Tensor[] time = [.. Enumerable.Range(0, skip + 1)
            .Select(k => TrigFlow.FromLevel(ShiftedUniformTimes.Apply(1 - (start + k * step), options.DiscreteShift)))];

        Tensor noisy = TrigFlow.Mix(clean, noise, time[0]), target;
        using (no_grad())
        {
            Tensor x = noisy;
            for (int k = 0; k < skip; k++)
                x = x - TrigFlow.Broadcast(time[k] - time[k + 1]) * TrigFlow.Predict(teacher, x, time[k], guidance).Velocity;
            target = TrigFlow.Predict(student, x, time[skip], guidance.Positive).Clean;
        }
        Tensor estimate = TrigFlow.Predict(student, noisy, time[0], guidance.Positive).Clean;
        Tensor perSample = options.ConsistencyScale * TrigFlow.SumPerSample((estimate - target).square());
        return new LossResult(perSample, new Dictionary<string, Tensor> { ["noisy"] = noisy }).MoveToOuterDisposeScope();
    }
}
