using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Networks;
using TorchDevice = TorchSharp.torch.Device;

namespace TurboDiffusion.Training.Loops;

/// <summary>Rectified-flow pre-training of a transformer that can be guided.</summary>
public sealed class TeacherTraining : ITrainingTask, IDisposable
{
    private readonly ILatentData _data;
    private readonly FlowMatchingLoss _loss;
    private readonly int _batchSize;
    private readonly TorchDevice _device;

    /// <summary>Creates the task.</summary>
    /// <param name="model">The transformer, initialised; not owned.</param>
    /// <param name="data">Encoded videos.</param>
    /// <param name="times">How noise levels are drawn.</param>
    /// <param name="conditionDropout">The share of samples trained without their caption.</param>
    /// <param name="options">Batch size, optimiser and weight average.</param>
    /// <param name="textEncoder">The text encoder, to train it too; the data must encode its captions with it. Not owned.</param>
    public TeacherTraining(
        WanModel model, ILatentData data, ITimeDistribution times, double conditionDropout, TrainingOptions options, UMT5Encoder? textEncoder = null)
    {
        if (textEncoder is not null) TextEncoder = new TrainedModel("text_encoder", textEncoder, options.Optimizer, options.EmaWidth);
        Model = new TrainedModel("teacher", model, options.Optimizer, options.EmaWidth);
        _data = data;
        _loss = new FlowMatchingLoss(new WanNetwork(model), times, conditionDropout);
        _batchSize = options.BatchSize;
        _device = Model.Parameters.Values.First().device;
    }

    /// <summary>The transformer in training.</summary>
    public TrainedModel Model { get; }

    /// <summary>The text encoder in training, or null where it is given.</summary>
    public TrainedModel? TextEncoder { get; }

    /// <inheritdoc/>
    public string Name => "teacher";

    /// <inheritdoc/>
    public IReadOnlyList<TrainedModel> Models => TextEncoder is null ? [Model] : [Model, TextEncoder];

    /// <inheritdoc/>
    public IReadOnlyList<TrainedModel> ModelsOf(int iteration) => Models;

    /// <inheritdoc/>
    public IEnumerable<LossTerm> Losses(int iteration, IRandomSource random)
    {
        LatentBatch batch = _data.Draw(_batchSize, random).To(_device);
        yield return new LossTerm("flow", () => _loss.Compute(batch.Latents, batch.Condition, batch.Negative, random));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Model.Dispose();
        TextEncoder?.Dispose();
    }
}
