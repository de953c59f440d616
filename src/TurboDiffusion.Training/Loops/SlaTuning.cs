using TurboDiffusion.Models.Wan;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Networks;
using TorchDevice = TorchSharp.torch.Device;

namespace TurboDiffusion.Training.Loops;

/// <summary>Tunes a transformer with sparse-linear attention to predict what the same one with full attention predicts.</summary>
public sealed class SlaTuning : ITrainingTask, IDisposable
{
    private readonly ILatentData _data;
    private readonly SparseAttentionTuningLoss _loss;
    private readonly int _batchSize;
    private readonly TorchDevice _device;

    /// <summary>Creates the task.</summary>
    /// <param name="student">The transformer with sparse-linear attention, holding the teacher's weights; not owned.</param>
    /// <param name="teacher">The transformer with full attention; frozen, not owned.</param>
    /// <param name="data">Encoded videos.</param>
    /// <param name="times">How noise levels are drawn.</param>
    /// <param name="options">Batch size, optimiser and weight average.</param>
    public SlaTuning(WanModel student, WanModel teacher, ILatentData data, ITimeDistribution times, TrainingOptions options)
    {
        Weights.Freeze(teacher);
        Model = new TrainedModel("student", student, options.Optimizer, options.EmaWidth);
        _data = data;
        _loss = new SparseAttentionTuningLoss(new WanNetwork(student), new WanNetwork(teacher), times);
        _batchSize = options.BatchSize;
        _device = Model.Parameters.Values.First().device;
    }

    /// <summary>The transformer in training.</summary>
    public TrainedModel Model { get; }

    /// <inheritdoc/>
    public string Name => "sla";

    /// <inheritdoc/>
    public IReadOnlyList<TrainedModel> Models => [Model];

    /// <inheritdoc/>
    public IReadOnlyList<TrainedModel> ModelsOf(int iteration) => Models;

    /// <inheritdoc/>
    public IEnumerable<LossTerm> Losses(int iteration, IRandomSource random)
    {
        LatentBatch batch = _data.Draw(_batchSize, random).To(_device);
        yield return new LossTerm("sla", () => _loss.Compute(batch.Latents, batch.Condition, random));
    }

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();
}
