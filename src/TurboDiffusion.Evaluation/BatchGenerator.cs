using TurboDiffusion.Generation.Media;
using TurboDiffusion.Pipelines;
using static TorchSharp.torch;

namespace TurboDiffusion.Evaluation;

/// <summary>Generates clips of different prompts together, into the computer's memory.</summary>
/// <param name="components">The models; they stay the caller's.</param>
/// <param name="settings">Size and sampling.</param>
public sealed class BatchGenerator(WanComponents components, ClipSettings settings)
{
    private readonly ClipStages _stages = new(components, settings);

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

    /// <summary>The prompts' embeddings; the current dispose scope owns them.</summary>
    internal PromptEmbeddings Encode(IReadOnlyList<string> prompts, CancellationToken cancellationToken) =>
        _stages.EncodeText(prompts, cancellationToken);

    /// <summary>Clean latents, <c>[B, C, T, H, W]</c>; the current dispose scope owns them.</summary>
    internal Tensor Denoise(PromptEmbeddings text, IReadOnlyList<ulong> seeds, CancellationToken cancellationToken) =>
        _stages.Denoise(text, seeds, cancellationToken: cancellationToken);

    /// <summary>Latents to frames, RGB24.</summary>
    internal byte[][] Decode(Tensor latents, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        int frameBytes = settings.Height * settings.Width * 3, done = 0;
        byte[][] clips = [.. Enumerable.Range(0, (int)latents.size(0)).Select(_ => new byte[settings.Frames * frameBytes])];
        foreach (Tensor chunk in _stages.Decode(latents, cancellationToken))
        {
            using var perChunk = NewDisposeScope();
            using (chunk)
            {
                Tensor frames = VideoFrames.FromModelOutput(chunk);
                byte[] bytes = frames.data<byte>().ToArray();
                int length = (int)frames.size(1) * frameBytes;
                for (int i = 0; i < clips.Length; i++) Array.Copy(bytes, i * length, clips[i], done * frameBytes, length);
                done += (int)frames.size(1);
            }
        }
        return clips;
    }

    /// <summary>Frames to latents and back: what the VAE leaves of clips.</summary>
    internal byte[][] Reconstruct(IReadOnlyList<byte[]> clips, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        Tensor levels = stack(clips.Select(clip => tensor(clip, [settings.Frames, settings.Height, settings.Width, 3], uint8))).to(
            components.Device);
        Tensor video = VideoFrames.ToModelInput(levels).permute(0, 4, 1, 2, 3).contiguous();
        return Decode(components.Vae.Get(cancellationToken: cancellationToken).Encode(video, cancellationToken), cancellationToken);
    }
}
