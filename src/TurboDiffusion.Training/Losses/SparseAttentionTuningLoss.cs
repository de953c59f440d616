using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>
/// White-box SLA tuning: the student with sparse-linear attention must predict what the teacher with full attention
/// predicts for the same noisy sample, time and text.
/// </summary>
/// <remarks>arXiv 2512.16093, section on training; thu-ml/TurboDiffusion at aaecff5, <c>t2v_model_sla.py</c>.</remarks>
public sealed class SparseAttentionTuningLoss(IVelocityNetwork student, IVelocityNetwork teacher, ITimeDistribution times)
{
    /// <summary>The loss of a batch. Draws times, then noise.</summary>
    /// <param name="clean">x₀, <c>[B, C, T, H, W]</c>.</param>
    /// <param name="condition">What the samples show.</param>
    /// <param name="random">The source of every draw.</param>
    /// <returns>The loss; intermediate <c>noisy</c>.</returns>
    public LossResult Compute(Tensor clean, Condition condition, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        Tensor level = times.Sample(random, clean.size(0)).to(clean.device).to_type(ScalarType.Float32);
        Tensor t = TrigFlow.Broadcast(level), noisy = (1 - t) * clean + t * random.Normal(clean.shape).to(clean.device), target;
        using (no_grad()) target = teacher.Predict(noisy, 1000 * level, condition);
        Tensor error = student.Predict(noisy, 1000 * level, condition) - target;
        return new LossResult(error.square().mean([1, 2, 3, 4]), new Dictionary<string, Tensor> { ["noisy"] = noisy })
            .MoveToOuterDisposeScope();
    }
}
