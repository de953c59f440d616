using TurboDiffusion.Generation.Media;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Pipelines;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>
/// Turns a folder of videos into training data, a video at a time. What an interrupted encoding has finished is not done
/// again. Videos shorter than one clip are left out and reported.
/// </summary>
public static class VideoEncoding
{
    // Captions encoded together: a text encoder that is streamed from its file is read once for all of them.
    private const int CaptionsTogether = 16;

    /// <summary>
    /// Writes a <see cref="LatentFolder"/>: latents, encoded captions and, for an image-to-video model, the clip's first frame (of a model
    /// that needs both, its last one too) as that model takes it.
    /// </summary>
    /// <param name="videos">The videos; every one has a caption.</param>
    /// <param name="output">The folder to write; new, or of an interrupted encoding.</param>
    /// <param name="options">How the videos are cut.</param>
    /// <param name="model">The tokenizer, the encoders and the VAE; the kind of the transformer.</param>
    /// <param name="negativePrompt">What guidance steers away from; may be empty.</param>
    /// <param name="progress">Told after every clip and every video.</param>
    /// <param name="cancellationToken">Checked before every frame and at every layer.</param>
    /// <returns>What there is in the end.</returns>
    /// <exception cref="InvalidRequestException">
    /// A video cannot be read or has no caption, an option is out of range, or the output is of other settings.
    /// </exception>
    /// <exception cref="EnvironmentException">There is no ffmpeg, or the folder cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the folder holds whole files only, and the same call goes on.</exception>
    public static EncodingProgress EncodeLatents(
        VideoFolder videos, string output, VideoClipOptions options, WanComponents model, string negativePrompt = "",
        IProgress<EncodingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        videos.CheckCaptions();
        var cutter = new VideoCutter(videos, output, options, progress, ("kind", "latents"), ("model", model.Name),
            ("negative prompt", negativePrompt));
        using var noGrad = no_grad();
        foreach (VideoFile[] group in cutter.Pending.Chunk(CaptionsTogether))
        {
            using var scope = NewDisposeScope();
            Tensor texts = Encode(model, [negativePrompt, .. group.Select(v => v.ReadCaption())], cancellationToken);
            LatentFolder.SetNegative(output, texts[0]);
            IVideoAutoencoder vae = model.Vae.Get(null, cancellationToken);
            for (int i = 0; i < group.Length; i++)
            {
                Tensor text = texts[i + 1];
                cutter.Cut(group[i], (name, clip) =>
                {
                    Tensor video = VideoFrames.ToModelInput(clip.to(model.Device)), first = video.select(1, 0);
                    Tensor? last = model.TransformerConfig.NeedsEndImage ? video.select(1, -1) : null;
                    Tensor? image = model.TransformerConfig.IsImageToVideo
                        ? ImageCondition.Encode(vae, first, options.Frames, model.Device, last, cancellationToken).squeeze(0) : null;
                    Tensor? tokens = model.ImageEncoder?.Get(null, cancellationToken) is { } encoder
                        ? ImageCondition.Tokens(encoder, ImageCondition.Given(first, last), cancellationToken).squeeze(0) : null;
                    LatentFolder.Add(output, name, vae.Encode(video.unsqueeze(0), cancellationToken).squeeze(0), text, image, tokens);
                }, cancellationToken);
            }
        }
        return cutter.Progress;
    }

    /// <summary>Writes a <see cref="ClipFolder"/>: the pixels of clips, to train a VAE. Captions are not needed.</summary>
    /// <param name="videos">The videos.</param>
    /// <param name="output">The folder to write; new, or of an interrupted run.</param>
    /// <param name="options">How the videos are cut.</param>
    /// <param name="progress">Told after every clip and every video.</param>
    /// <param name="cancellationToken">Checked before every frame.</param>
    /// <returns>What there is in the end.</returns>
    /// <exception cref="InvalidRequestException">
    /// A video cannot be read, an option is out of range, or the output is of other settings.
    /// </exception>
    /// <exception cref="EnvironmentException">There is no ffmpeg, or the folder cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the folder holds whole files only, and the same call goes on.</exception>
    public static EncodingProgress CopyClips(
        VideoFolder videos, string output, VideoClipOptions options, IProgress<EncodingProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        var cutter = new VideoCutter(videos, output, options, progress, ("kind", "clips"));
        foreach (VideoFile video in cutter.Pending)
            cutter.Cut(video, (name, clip) => ClipFolder.Add(output, name, clip), cancellationToken);
        return cutter.Progress;
    }

    private static Tensor Encode(WanComponents model, IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        Tensor encoded = PromptEncoding.Encode(texts, model.Tokenizer, model.TextEncoder.Get(null, cancellationToken), model.Device,
            cancellationToken);
        model.TextEncoder.Release();
        return encoded;
    }
}
