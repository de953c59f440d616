using TorchSharp.Modules;
using TurboDiffusion.Models.Vae;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Networks;

/// <summary>
/// Gives a VAE's normalised latents mean 0 and a deviation of at most 1 over the training data, without a change to what the VAE
/// reconstructs. A channel has the deviation 1 if the picture depends on it as on the average channel, or more; one on which
/// the picture hardly depends stays small. Made as large as the others, channels that mean nothing would be most of what the
/// diffusion model has to learn.
/// </summary>
/// <remarks>
/// The statistics of Wan's latents are constants of the architecture, so the last layer before them and the first after them change
/// instead.
/// </remarks>
public static class LatentStandardization
{
    // A channel that carries nothing, or that nothing depends on, stays small.
    private const double SmallestDeviation = 1e-3, SmallestImportance = 1e-2;

    /// <summary>Mean and deviation of each channel.</summary>
    /// <param name="latents">Normalised latents, <c>[N, C, T, H, W]</c>.</param>
    /// <returns>Float32 <c>[C]</c> each.</returns>
    public static (Tensor Mean, Tensor Deviation) Statistics(Tensor latents)
    {
        using var scope = NewDisposeScope();
        // In float64, and a clip at a time: a data set has 10⁸ values a channel.
        Tensor sums = zeros(2, latents.size(1), dtype: ScalarType.Float64);
        for (long clip = 0; clip < latents.size(0); clip++)
        {
            using var step = NewDisposeScope();
            Tensor values = latents[clip].to(CPU).to_type(ScalarType.Float64).flatten(1);
            sums.add_(stack([values.mean([1]), values.square().mean([1])]));
        }
        Tensor mean = sums[0] / latents.size(0), deviation =
            (sums[1] / latents.size(0) - mean.square()).clamp_min(0).sqrt().clamp_min(SmallestDeviation);
        return (mean.to_type(ScalarType.Float32).MoveToOuterDisposeScope(),
            deviation.to_type(ScalarType.Float32).MoveToOuterDisposeScope());
    }

    /// <summary>
    /// How much the picture depends on each channel: the root mean square of its change when the channel is replaced by its mean,
    /// relative to that of the average channel, at most 1.
    /// </summary>
    /// <param name="vae">The VAE.</param>
    /// <param name="latents">Its normalised latents of a few clips, <c>[N, C, T, H, W]</c>, where the VAE is.</param>
    /// <param name="mean">The channels' means, <c>[C]</c>.</param>
    /// <returns>Float32 <c>[C]</c> on the CPU, in [0.01, 1].</returns>
    public static Tensor Importance(WanVae vae, Tensor latents, Tensor mean)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor picture = vae.DecodeWhole(latents).to_type(ScalarType.Float32);
        var changes = new List<Tensor>();
        for (int channel = 0; channel < latents.size(1); channel++)
        {
            using var step = NewDisposeScope();
            Tensor without = latents.clone();
            without.select(1, channel).fill_(mean[channel].item<float>());
            changes.Add((vae.DecodeWhole(without).to_type(ScalarType.Float32) - picture).square().mean().MoveToOuterDisposeScope());
        }
        Tensor squares = stack(changes).cpu();
        return (squares / squares.mean().clamp_min(1e-12)).sqrt().clamp(SmallestImportance, 1).MoveToOuterDisposeScope();
    }

    /// <summary>(latents − mean) / scale, channel by channel.</summary>
    /// <param name="latents">Normalised latents, <c>[N, C, T, H, W]</c>.</param>
    /// <param name="mean"><c>[C]</c></param>
    /// <param name="scale"><c>[C]</c></param>
    /// <returns>In the latents' dtype.</returns>
    public static Tensor Apply(Tensor latents, Tensor mean, Tensor scale)
    {
        using var scope = NewDisposeScope();
        Tensor PerChannel(Tensor values) => values.to(latents.device).view(1, -1, 1, 1, 1);
        return ((latents - PerChannel(mean)) / PerChannel(scale)).to_type(latents.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Changes a VAE so that its latents are those of <see cref="Apply(Tensor, Tensor, Tensor)"/>.</summary>
    /// <param name="vae">The VAE whose latents the statistics are of.</param>
    /// <param name="mean"><c>[C]</c></param>
    /// <param name="scale"><c>[C]</c></param>
    public static void Apply(WanVae vae, Tensor mean, Tensor scale)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Dictionary<string, Parameter> parameters = vae.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        (Parameter weight, Parameter bias) = (parameters["conv1.weight"], parameters["conv1.bias"]);
        int channels = vae.Config.ZDim;
        Tensor OnWeights(Tensor values) => values.to(weight.device).to_type(ScalarType.Float32);
        Tensor wanMean = OnWeights(tensor(vae.Config.LatentMean.ToArray())),
            wanDeviation = OnWeights(tensor(vae.Config.LatentStd.ToArray()));
        Tensor factor = OnWeights(scale), shift = OnWeights(mean) * wanDeviation;

        // A latent before normalisation becomes (latent − wanMean − shift) / scale + wanMean; its logarithmic variance falls by 2·ln scale.
        weight.narrow(0, 0, channels).div_(factor.view(-1, 1, 1, 1, 1));
        bias.narrow(0, 0, channels).sub_(wanMean + shift).div_(factor).add_(wanMean);
        bias.narrow(0, channels, channels).sub_(2 * factor.log());

        (weight, bias) = (parameters["conv2.weight"], parameters["conv2.bias"]);
        bias.add_(weight.view(channels, channels).matmul(wanMean + shift - factor * wanMean));
        weight.mul_(factor.view(1, -1, 1, 1, 1));
    }
}
