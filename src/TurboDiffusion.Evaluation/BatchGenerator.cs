using TurboDiffusion.Generation.Media;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Evaluation;

/// <summary>
/// Generates clips of different prompts together: the stages of <see cref="WanPipeline"/>, with a batch in each. Prompt and seed
/// of a clip give the same clip in any batch, up to rounding.
/// </summary>
/// <param name="components">The models; they stay the caller's.</param>
/// <param name="settings">Sampler, guidance and size; prompt, seed and count are not used.</param>
public sealed class BatchGenerator(WanComponents components, PipelineRequest settings)
{
    private readonly ISampler _sampler = settings.Sampler.Create();

    /// <summary>Generates a batch.</summary>
    /// <param name="prompts">What the clips show.</param>
    /// <param name="seeds">One for each prompt.</param>
    /// <param name="cancellationToken">Checked at every block and layer.</param>
    /// <returns>The clips, RGB24 <c>[T, H, W, 3]</c> each.</returns>
    public byte[][] Generate(IReadOnlyList<string> prompts, IReadOnlyList<ulong> seeds, CancellationToken cancellationToken = default)
    {
        using var scope = NewDisposeScope();
        return Decode(Denoise(Encode(prompts, cancellationToken), seeds, cancellationToken), cancellationToken);
    }

    /// <summary>The prompts' embeddings and, with guidance, the negative prompt's for each; the current dispose scope owns them.</summary>
    internal (Tensor Prompts, Tensor? Negative) Encode(IReadOnlyList<string> prompts, CancellationToken cancellationToken)
    {
        bool guided = settings.GuidanceScale != 1;
        Tensor all = PromptEncoding.Encode(guided ? [.. prompts, settings.NegativePrompt] : prompts,
            components.Tokenizer, components.TextEncoder.Get(cancellationToken: cancellationToken), components.Device, cancellationToken);
        if (!guided) return (all, null);
        Tensor negative = all.narrow(0, prompts.Count, 1).expand(prompts.Count, -1, -1).contiguous();
        return (all.narrow(0, 0, prompts.Count), negative);
    }

    /// <summary>Clean latents, <c>[B, C, T, H, W]</c>; the current dispose scope owns them.</summary>
    internal Tensor Denoise((Tensor Prompts, Tensor? Negative) text, IReadOnlyList<ulong> seeds, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var denoiser = new Denoiser(components.Experts, components.Boundary, text.Prompts, text.Negative, settings.GuidanceScale);
        VaeConfig vae = components.VaeConfig;
        var noise = new BatchNoise([.. seeds.Select(seed => new PhiloxNoise(seed))]);
        Tensor start = noise.Normal(seeds.Count, vae.ZDim, (settings.Frames - 1) / vae.TemporalFactor + 1,
            settings.Height / vae.SpatialFactor, settings.Width / vae.SpatialFactor).to(components.Device);
        return DenoisingLoop.Run(_sampler, start, denoiser.Velocity, noise, cancellationToken: cancellationToken).MoveToOuterDisposeScope();
    }

    /// <summary>Latents to frames, RGB24.</summary>
    internal byte[][] Decode(Tensor latents, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        int frameBytes = settings.Height * settings.Width * 3, done = 0;
        byte[][] clips = [.. Enumerable.Range(0, (int)latents.shape[0]).Select(_ => new byte[settings.Frames * frameBytes])];
        foreach (Tensor chunk in components.Vae.Get(cancellationToken: cancellationToken).DecodeChunks(latents, cancellationToken))
        {
            using var perChunk = NewDisposeScope();
            using (chunk)
            {
                Tensor frames = VideoFrames.FromModelOutput(chunk);
                byte[] bytes = frames.data<byte>().ToArray();
                int length = (int)frames.shape[1] * frameBytes;
                for (int i = 0; i < clips.Length; i++) Array.Copy(bytes, i * length, clips[i], done * frameBytes, length);
                done += (int)frames.shape[1];
            }
        }
        return clips;
    }

    /// <summary>Frames to latents and back: what the VAE leaves of clips.</summary>
    internal byte[][] Reconstruct(IReadOnlyList<byte[]> clips, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        Tensor video = stack(clips.Select(clip => tensor(clip, [settings.Frames, settings.Height, settings.Width, 3], uint8)))
            .to(components.Device).to(float32).div_(127.5).sub_(1).permute(0, 4, 1, 2, 3).contiguous();
        return Decode(components.Vae.Get(cancellationToken: cancellationToken).Encode(video, cancellationToken), cancellationToken);
    }
}
