using TorchSharp.Modules;
using TurboDiffusion.Models.Vae;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Networks;

/// <summary>
/// Gives every channel of a VAE's normalised latents mean 0 and deviation 1 over the training data, as Wan's have over
/// its own, without a change to what the VAE reconstructs. A channel of a much smaller deviation would drown in the noise that
/// the diffusion model learns to remove: what it carries would appear in the last steps only, and hardly be learned.
/// </summary>
/// <remarks>The statistics of Wan's latents are constants of the architecture, so the last layer before them and the first after them change instead.</remarks>
public static class LatentStandardization
{
    // A channel that carries nothing stays small.
    private const double SmallestDeviation = 1e-3;

    /// <summary>Mean and deviation of each channel.</summary>
    /// <param name="latents">Normalised latents, <c>[N, C, T, H, W]</c>.</param>
    /// <returns>Float32 <c>[C]</c> each.</returns>
    public static (Tensor Mean, Tensor Deviation) Statistics(Tensor latents)
    {
        using var scope = NewDisposeScope();
        // In float64, and a clip at a time: a data set has 10⁸ values a channel.
        Tensor sums = zeros(2, latents.shape[1], dtype: ScalarType.Float64);
        for (long clip = 0; clip < latents.shape[0]; clip++)
        {
            using var step = NewDisposeScope();
            Tensor values = latents[clip].to(CPU).to_type(ScalarType.Float64).flatten(1);
            sums.add_(stack([values.mean([1]), values.square().mean([1])]));
        }
        Tensor mean = sums[0] / latents.shape[0], deviation = (sums[1] / latents.shape[0] - mean.square()).clamp_min(0).sqrt().clamp_min(SmallestDeviation);
        return (mean.to_type(ScalarType.Float32).MoveToOuterDisposeScope(), deviation.to_type(ScalarType.Float32).MoveToOuterDisposeScope());
    }

    /// <summary>(latents − mean) / deviation, channel by channel.</summary>
    /// <param name="latents">Normalised latents, <c>[N, C, T, H, W]</c>.</param>
    /// <param name="mean"><c>[C]</c></param>
    /// <param name="deviation"><c>[C]</c></param>
    /// <returns>In the latents' dtype.</returns>
    public static Tensor Apply(Tensor latents, Tensor mean, Tensor deviation)
    {
        using var scope = NewDisposeScope();
        Tensor PerChannel(Tensor values) => values.to(latents.device).view(1, -1, 1, 1, 1);
        return ((latents - PerChannel(mean)) / PerChannel(deviation)).to_type(latents.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Changes a VAE so that its latents are those of <see cref="Apply(Tensor, Tensor, Tensor)"/>.</summary>
    /// <param name="vae">The VAE whose latents the statistics are of.</param>
    /// <param name="mean"><c>[C]</c></param>
    /// <param name="deviation"><c>[C]</c></param>
    public static void Apply(WanVae vae, Tensor mean, Tensor deviation)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Dictionary<string, Parameter> parameters = vae.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        (Parameter weight, Parameter bias) = (parameters["conv1.weight"], parameters["conv1.bias"]);
        int channels = vae.Config.ZDim;
        Tensor OnWeights(Tensor values) => values.to(weight.device).to_type(ScalarType.Float32);
        Tensor wanMean = OnWeights(tensor(vae.Config.LatentMean.ToArray())), wanDeviation = OnWeights(tensor(vae.Config.LatentStd.ToArray()));
        Tensor scale = OnWeights(deviation), shift = OnWeights(mean) * wanDeviation;

        // A latent before normalisation becomes (latent − wanMean − shift) / scale + wanMean; its logarithmic variance falls by 2·ln scale.
        weight.narrow(0, 0, channels).div_(scale.view(-1, 1, 1, 1, 1));
        bias.narrow(0, 0, channels).sub_(wanMean + shift).div_(scale).add_(wanMean);
        bias.narrow(0, channels, channels).sub_(2 * scale.log());

        (weight, bias) = (parameters["conv2.weight"], parameters["conv2.bias"]);
        bias.add_(weight.view(channels, channels).matmul(wanMean + shift - scale * wanMean));
        weight.mul_(scale.view(1, -1, 1, 1, 1));
    }
}
