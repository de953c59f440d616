using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Networks;

namespace TurboDiffusion.Training.Loops;

/// <summary>Rectified-flow pre-training of a transformer that can be guided.</summary>
public sealed class TeacherTraining : SingleLossTask
{
    private readonly ILatentData _data;
    private readonly FlowMatchingLoss _loss;

    /// <summary>Creates the task.</summary>
    /// <param name="model">The transformer, initialised; not owned.</param>
    /// <param name="data">Encoded videos.</param>
    /// <param name="times">How noise levels are drawn.</param>
    /// <param name="conditionDropout">The share of samples trained without their caption.</param>
    /// <param name="options">Batch size, optimiser and weight average.</param>
    /// <param name="textEncoder">The text encoder, to train it too; the data must encode its captions with it. Not owned.</param>
    public TeacherTraining(
        WanModel model, ILatentData data, ITimeDistribution times, double conditionDropout, TrainingOptions options,
        UMT5Encoder? textEncoder = null)
        : base("teacher", options.BatchSize, Trained(model, textEncoder, options))
    {
        _data = data;
        _loss = new FlowMatchingLoss(new WanNetwork(model), times, conditionDropout);
    }

    /// <summary>The text encoder in training, or null where it is given.</summary>
    public TrainedModel? TextEncoder => Models.ElementAtOrDefault(1);

    private protected override LossTerm Draw(int batchSize, IRandomSource random)
    {
        LatentBatch batch = _data.Draw(batchSize, random).To(Device);
        return new LossTerm("flow", () => _loss.Compute(batch.Latents, batch.Condition, batch.Negative, random));
    }

    private static IReadOnlyList<TrainedModel> Trained(WanModel model, UMT5Encoder? textEncoder, TrainingOptions options)
    {
        var transformer = new TrainedModel("teacher", model, options.Optimizer, options.EmaWidth);
        return textEncoder is null ? [transformer]
            : [transformer, new TrainedModel("text_encoder", textEncoder, options.Optimizer, options.EmaWidth)];
    }
}
