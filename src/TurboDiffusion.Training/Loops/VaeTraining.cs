using TurboDiffusion.Models.Vae;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Losses;
using TorchDevice = TorchSharp.torch.Device;
using TorchTensor = TorchSharp.torch.Tensor;

namespace TurboDiffusion.Training.Loops;

/// <summary>Training of a VAE on clips.</summary>
public sealed class VaeTraining : ITrainingTask, IDisposable
{
    private readonly IClipData _data;
    private readonly VaeLoss _loss;
    private readonly int _batchSize;
    private readonly TorchDevice _device;

    /// <summary>Creates the task.</summary>
    /// <param name="vae">The network, initialised; not owned.</param>
    /// <param name="data">Clips.</param>
    /// <param name="loss">Weights of the terms.</param>
    /// <param name="options">Batch size, optimiser and weight average.</param>
    /// <param name="decoderOnly">Whether the encoder stays as it is.</param>
    public VaeTraining(WanVae vae, IClipData data, VaeLossOptions loss, TrainingOptions options, bool decoderOnly = false)
    {
        Model = new TrainedModel("vae", vae, options.Optimizer, options.EmaWidth, decoderOnly ? WanVae.IsOfDecoder : null);
        _data = data;
        _loss = new VaeLoss(vae, loss);
        _batchSize = options.BatchSize;
        _device = Model.Parameters.Values.First().device;
    }

    /// <summary>The network in training.</summary>
    public TrainedModel Model { get; }

    /// <inheritdoc/>
    public string Name => "vae";

    /// <inheritdoc/>
    public IReadOnlyList<TrainedModel> Models => [Model];

    /// <inheritdoc/>
    public IReadOnlyList<TrainedModel> ModelsOf(int iteration) => Models;

    /// <inheritdoc/>
    public IEnumerable<LossTerm> Losses(int iteration, IRandomSource random)
    {
        TorchTensor clips = _data.Draw(_batchSize, random).to(_device);
        yield return new LossTerm("vae", () => _loss.Compute(clips, random));
    }

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();
}
