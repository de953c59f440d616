using TurboDiffusion.Models.Vae;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>
/// Reconstruction of a sampled posterior, plus its divergence from the prior. The prior is standard normal in the
/// normalised latents that the diffusion model sees: the statistics of Wan's latents are constants of the architecture,
/// so a VAE trained here has to produce latents that fit them.
/// </summary>
/// <remarks>arXiv 1312.6114, appendix B, for the divergence.</remarks>
public sealed class VaeLoss(WanVae vae, VaeLossOptions options)
{
    /// <summary>
    /// The loss of a batch, through the whole-clip form of the causal convolutions. Draws the posterior's noise, then whether to halve.
    /// </summary>
    /// <param name="video"><c>[B, 3, T, H, W]</c> in [−1, 1].</param>
    /// <param name="random">The source of every draw.</param>
    /// <exception cref="InvalidRequestException">Clips to be halved have an odd number of latents.</exception>
    /// <returns>The loss; intermediates <c>reconstruction</c> and <c>divergence</c> (<c>[B]</c>).</returns>
    public LossResult Compute(Tensor video, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        (Tensor mean, Tensor logVariance) = vae.EncodePosterior(video);
        Tensor scale = PerChannel(vae.Config.LatentStd, video.device);
        mean = (mean.to_type(ScalarType.Float32) - PerChannel(vae.Config.LatentMean, video.device)) / scale;
        // Clamped as upstream VAEs do: exp must stay finite early in training.
        logVariance = logVariance.to_type(ScalarType.Float32).clamp(-30, 20) - 2 * scale.log();
        Tensor latents = mean + (logVariance / 2).exp() * random.Normal(mean.shape).to(video.device);
        Tensor target = video;
        if (options.Halved > 0 && random.Uniform(1).item<float>() < options.Halved) (latents, target) = Halve(latents, video);
        Tensor reconstruction = vae.DecodeWhole(latents).to_type(ScalarType.Float32), error = reconstruction - target;

        Tensor divergence = (mean.square() + logVariance.exp() - 1 - logVariance).mean([1, 2, 3, 4]) / 2;
        Tensor loss = options.Pixels * error.abs().mean([1, 2, 3, 4]) + options.Divergence * divergence;
        foreach (long axis in (long[])[2, 3, 4])
            if (error.shape[axis] > 1)
                loss += options.Differences * error.diff(1, axis).abs().mean([1, 2, 3, 4]);
        return new LossResult(loss, new Dictionary<string, Tensor>
        {
            ["reconstruction"] = reconstruction.detach(),
            ["divergence"] = divergence.detach(),
        }).MoveToOuterDisposeScope();
    }

    private static (Tensor Latents, Tensor Video) Halve(Tensor latents, Tensor video)
    {
        if (video.shape[3] % 16 != 0 || video.shape[4] % 16 != 0)
            throw new InvalidRequestException("halved",
                $"The clips are of {video.shape[4]}x{video.shape[3]} pixels; to be halved as latents too, width and height must be "
                    + "multiples of 16.");
        return (nn.functional.avg_pool3d(latents, [1, 2, 2]), nn.functional.avg_pool3d(video, [1, 2, 2]));
    }

    private static Tensor PerChannel(IReadOnlyList<float> values, Device device) =>
        tensor(values.ToArray()).to(device).view(1, -1, 1, 1, 1);
}
