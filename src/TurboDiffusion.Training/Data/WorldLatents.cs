using TurboDiffusion.Generation.Media;
using TurboDiffusion.Generation.Text;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using TurboDiffusion.ShapeWorld;
using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>The shape world as a transformer's training data: rendered, encoded by a VAE, captions tokenised.</summary>
public static class WorldLatents
{
    // Clips that are rendered, and encoded, at a time.
    private const int RenderedTogether = 256, EncodedTogether = 16;

    // Clips that tell how much the picture depends on each channel.
    private const int MeasuredClips = 8;

    /// <summary>
    /// Renders, encodes and writes a set of <see cref="CaptionedLatents"/>, latents in bfloat16. Every channel of the latents gets mean 0
    /// and a deviation by what it means for the picture, and the VAE is changed to match (<see cref="LatentStandardization"/>).
    /// </summary>
    /// <param name="path">The file to write.</param>
    /// <param name="world">How many clips, and their size.</param>
    /// <param name="captions">Captions of each clip, from 1.</param>
    /// <param name="vae">The VAE; its latents are scaled like those written afterwards.</param>
    /// <param name="tokenizer">The tokenizer, with a length that is enough for every caption.</param>
    /// <param name="placement">Where the VAE is.</param>
    /// <param name="progress">Told how many clips are encoded.</param>
    /// <param name="cancellationToken">Checked before each batch.</param>
    /// <exception cref="InvalidRequestException">A number or size is out of range, or a caption is too long.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is written.</exception>
    public static void Write(
        string path, WorldOptions world, int captions, WanVae vae, ITokenizer tokenizer, Placement placement,
        IProgress<(int Done, int Total)>? progress = null, CancellationToken cancellationToken = default)
    {
        world.Check();
        if (captions < 1) throw new InvalidRequestException("captions",
            $"The number of captions per clip is {captions}; it must be at least 1.");
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Tensor tokens = Tokens(world, captions, tokenizer), negative = tensor(tokenizer.Encode("").Ids.ToArray(), ScalarType.Int64);
        var latents = new List<Tensor>();
        for (int first = 0; first < world.Clips; first += RenderedTogether)
        {
            using var rendering = NewDisposeScope();
            int count = Math.Min(RenderedTogether, world.Clips - first);
            Tensor videos = WorldClips.Render(world, first, count, cancellationToken).to(placement.Device);
            for (int start = 0; start < count; start += EncodedTogether)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var encoding = NewDisposeScope();
                Tensor video = VideoFrames.ToModelInput(videos.narrow(0, start, Math.Min(EncodedTogether, count - start)));
                latents.Add(vae.EncodeWhole(video.to_type(placement.Dtype)).to_type(ScalarType.BFloat16).cpu().DetachFromDisposeScope());
            }
            progress?.Report((first + count, world.Clips));
        }
        Tensor all = cat(latents);
        foreach (Tensor part in latents) part.Dispose();
        (Tensor mean, Tensor deviation) = LatentStandardization.Statistics(all);
        Tensor few = all.narrow(0, 0, Math.Min(MeasuredClips, world.Clips)).to(placement.Dtype, placement.Device);
        Tensor scale = deviation / LatentStandardization.Importance(vae, few, mean);
        CaptionedLatents.Write(path, LatentStandardization.Apply(all, mean, scale), tokens, negative);
        LatentStandardization.Apply(vae, mean, scale);
    }

    private static Tensor Tokens(WorldOptions world, int captions, ITokenizer tokenizer)
    {
        var ids = new long[world.Clips * captions][];
        for (int i = 0; i < ids.Length; i++)
        {
            (int clip, int caption) = Math.DivRem(i, captions);
            string words = Captions.Describe(WorldClips.Scene(world, clip), i);
            // Half of the captions are written as people write sentences.
            if (caption % 2 == 1) words = char.ToUpperInvariant(words[0]) + words[1..] + ".";
            TokenizedPrompt prompt = tokenizer.Encode(words);
            if (prompt.Length == tokenizer.MaxLength && prompt.Ids[^1] != 0)
                throw new InvalidRequestException("textLength",
                    $"The caption '{prompt.Text}' does not fit into {tokenizer.MaxLength} tokens; use a longer text length.");
            ids[i] = [.. prompt.Ids];
        }
        return tensor(ids.SelectMany(i => i).ToArray(), ScalarType.Int64).view(world.Clips, captions, tokenizer.MaxLength);
    }
}
