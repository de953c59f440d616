using TurboDiffusion.Models.Wan;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Networks;

namespace TurboDiffusion.Training.Loops;

/// <summary>Tunes a transformer with sparse-linear attention to predict what the same one with full attention predicts.</summary>
public sealed class SlaTuning : SingleLossTask
{
    private readonly ILatentData _data;
    private readonly SparseAttentionTuningLoss _loss;

    /// <summary>Creates the task.</summary>
    /// <param name="student">The transformer with sparse-linear attention, holding the teacher's weights; not owned.</param>
    /// <param name="teacher">The transformer with full attention; frozen, not owned.</param>
    /// <param name="data">Encoded videos.</param>
    /// <param name="times">How noise levels are drawn.</param>
    /// <param name="options">Batch size, optimiser and weight average.</param>
    public SlaTuning(WanModel student, WanModel teacher, ILatentData data, ITimeDistribution times, TrainingOptions options)
        : base("sla", options.BatchSize, new TrainedModel("student", student, options.Optimizer, options.EmaWidth))
    {
        Weights.Freeze(teacher);
        _data = data;
        _loss = new SparseAttentionTuningLoss(new WanNetwork(student), new WanNetwork(teacher), times);
    }

    private protected override LossTerm Draw(int batchSize, IRandomSource random)
    {
        LatentBatch batch = _data.Draw(batchSize, random).To(Device);
        return new LossTerm("sla", () => _loss.Compute(batch.Latents, batch.Condition, random));
    }
}
