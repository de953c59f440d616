using TurboDiffusion.Models.Vae;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Data;
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
    /// <param name="clips">The batch.</param>
    /// <param name="random">The source of every draw.</param>
    /// <exception cref="InvalidRequestException">
    /// Clips to be halved have an odd number of latents, or nobody knows where their objects are.
    /// </exception>
    /// <returns>The loss; intermediates <c>reconstruction</c> and <c>divergence</c> (<c>[B]</c>).</returns>
    public LossResult Compute(ClipBatch clips, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        Tensor video = clips.Videos;
        (Tensor mean, Tensor logVariance) = vae.EncodePosterior(video);
        Tensor scale = PerChannel(vae.Config.LatentStd, video.device);
        mean = (mean.to_type(ScalarType.Float32) - PerChannel(vae.Config.LatentMean, video.device)) / scale;
        // Clamped as upstream VAEs do: exp must stay finite early in training.
        logVariance = logVariance.to_type(ScalarType.Float32).clamp(-30, 20) - 2 * scale.log();
        Tensor latents = mean + (logVariance / 2).exp() * random.Normal(mean.shape).to(video.device);
        Tensor target = video;
        Tensor? objects = options.Objects > 0 ? Surroundings(clips) : null;
        if (options.Halved > 0 && random.Uniform(1).item<float>() < options.Halved)
        {
            CheckHalved(video);
            (latents, target, objects) = (Halve(latents), Halve(video), objects is null ? null : Halve(objects));
        }
        Tensor reconstruction = vae.DecodeWhole(latents).to_type(ScalarType.Float32), error = reconstruction - target;

        Tensor divergence = (mean.square() + logVariance.exp() - 1 - logVariance).mean([1, 2, 3, 4]) / 2;
        Tensor loss = options.Pixels * Mean(error, objects) + options.Divergence * divergence;
        foreach (int axis in (int[])[2, 3, 4])
            if (error.size(axis) > 1)
                loss += options.Differences * Mean(error.diff(1, axis), objects?.narrow(axis, 1, error.size(axis) - 1));
        return new LossResult(loss, new Dictionary<string, Tensor>
        {
            ["reconstruction"] = reconstruction.detach(),
            ["divergence"] = divergence.detach(),
        }).MoveToOuterDisposeScope();
    }

    // Per sample, the mean of absolute errors, that over the objects having its share.
    private Tensor Mean(Tensor error, Tensor? objects)
    {
        Tensor absolute = error.abs(), everywhere = absolute.mean([1, 2, 3, 4]);
        if (objects is null) return everywhere;
        Tensor ofObjects = (absolute.mean([1], keepdim: true) * objects).sum([1, 2, 3, 4]) / objects.sum([1, 2, 3, 4]).clamp_min(1);
        return (1 - options.Objects) * everywhere + options.Objects * ofObjects;
    }

    // Where an object is, was or will be from one frame to the next.
    private static Tensor Surroundings(ClipBatch clips) => clips.Objects is { } objects
        ? nn.functional.max_pool3d(objects, [3, 1, 1], strides: [1, 1, 1], padding: [1, 0, 0])
        : throw new InvalidRequestException("objects",
            "The loss weighs objects, and this data does not say where they are; use clips of the shape world, or leave objects at 0.");

    private static void CheckHalved(Tensor video)
    {
        if (video.size(3) % 16 != 0 || video.size(4) % 16 != 0)
            throw new InvalidRequestException("halved",
                $"The clips are of {video.size(4)}x{video.size(3)} pixels; to be halved as latents too, width and height must be "
                    + "multiples of 16.");
    }

    private static Tensor Halve(Tensor x) => nn.functional.avg_pool3d(x, [1, 2, 2]);

    private static Tensor PerChannel(IReadOnlyList<float> values, Device device) =>
        tensor(values.ToArray()).to(device).view(1, -1, 1, 1, 1);
}
