using TurboDiffusion.Generation.Media;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Loops;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Samples;

/// <summary>
/// Pictures of clips above what a VAE in training (the average of its weights, where one is kept) makes of them: <c>samples/000500.png</c>.
/// </summary>
public sealed class ReconstructionSamples : ITrainingObserver, IDisposable
{
    private readonly TrainedModel _model;
    private readonly SampleFolder _folder;
    private readonly Tensor _clips;

    /// <summary>Draws the clips.</summary>
    /// <param name="model">The VAE in training.</param>
    /// <param name="data">What it is trained on.</param>
    /// <param name="options">How many, and when.</param>
    /// <param name="runFolder">The run's folder.</param>
    /// <exception cref="InvalidRequestException">A number is not positive.</exception>
    public ReconstructionSamples(TrainedModel model, IClipData data, ReconstructionOptions options, string runFolder)
    {
        if (options.Clips < 1)
            throw new InvalidRequestException("samples",
                $"The number of clips is {options.Clips}; give at least 1, or leave the samples out.");
        _model = model;
        _folder = new SampleFolder(runFolder, options.Every);
        _clips = data.Draw(options.Clips, new PhiloxNoise(options.Seed)).Videos.DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public void Observe(TrainingProgress done, CancellationToken cancellationToken)
    {
        if (!_folder.IsDue(done)) return;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using IDisposable averages = _model.UseAverages();
        var vae = (WanVae)_model.Module;
        var rows = new List<Tensor>();
        Device device = _model.Parameters.Values.First().device;
        for (long i = 0; i < _clips.size(0); i++)
        {
            Tensor clip = _clips.narrow(0, i, 1).to(device);
            rows.Add(VideoFrames.FromModelOutput(clip)[0]);
            rows.Add(VideoFrames.FromModelOutput(vae.Decode(vae.Encode(clip, cancellationToken), cancellationToken))[0]);
        }
        new ContactSheet(rows).WritePicture(_folder.PathOf(done, ".png"));
    }

    /// <inheritdoc/>
    public void Dispose() => _clips.Dispose();
}
