using TurboDiffusion.Sampling;
using TorchDevice = TorchSharp.torch.Device;

namespace TurboDiffusion.Training.Loops;

/// <summary>A task in which one loss trains the same models in every iteration.</summary>
public abstract class SingleLossTask : ITrainingTask, IDisposable
{
    private readonly int _batchSize;

    /// <summary>Creates the task.</summary>
    /// <param name="name">Such as <c>teacher</c>.</param>
    /// <param name="batchSize">Samples per batch.</param>
    /// <param name="models">What is trained, the main model first; owned.</param>
    private protected SingleLossTask(string name, int batchSize, params IReadOnlyList<TrainedModel> models)
    {
        (Name, _batchSize, Models) = (name, batchSize, models);
        Device = Model.Parameters.Values.First().device;
    }

    /// <summary>The model in training.</summary>
    public TrainedModel Model => Models[0];

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public IReadOnlyList<TrainedModel> Models { get; }

    /// <summary>Where the models are.</summary>
    private protected TorchDevice Device { get; }

    /// <inheritdoc/>
    public IReadOnlyList<TrainedModel> ModelsOf(int iteration) => Models;

    /// <inheritdoc/>
    public IEnumerable<LossTerm> Losses(int iteration, IRandomSource random) => [Draw(_batchSize, random)];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (TrainedModel model in Models) model.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Draws a batch and gives the loss on it.</summary>
    /// <param name="batchSize">Samples.</param>
    /// <param name="random">The source of every draw.</param>
    private protected abstract LossTerm Draw(int batchSize, IRandomSource random);
}
