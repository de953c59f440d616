using TurboDiffusion.Models.Vae;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Losses;

namespace TurboDiffusion.Training.Loops;

/// <summary>Training of a VAE on clips.</summary>
public sealed class VaeTraining : SingleLossTask
{
    private readonly IClipData _data;
    private readonly VaeLoss _loss;

    /// <summary>Creates the task.</summary>
    /// <param name="vae">The network, initialised; not owned.</param>
    /// <param name="data">Clips.</param>
    /// <param name="loss">Weights of the terms.</param>
    /// <param name="options">Batch size, optimiser and weight average.</param>
    /// <param name="decoderOnly">Whether the encoder stays as it is.</param>
    public VaeTraining(WanVae vae, IClipData data, VaeLossOptions loss, TrainingOptions options, bool decoderOnly = false)
        : base("vae", options.BatchSize,
            new TrainedModel("vae", vae, options.Optimizer, options.EmaWidth, decoderOnly ? WanVae.IsOfDecoder : null))
    {
        _data = data;
        _loss = new VaeLoss(vae, loss);
    }

    private protected override LossTerm Draw(int batchSize, IRandomSource random)
    {
        ClipBatch clips = _data.Draw(batchSize, random).To(Device);
        return new LossTerm("vae", () => _loss.Compute(clips, random));
    }
}
