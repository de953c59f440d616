using static TorchSharp.torch;

namespace TurboDiffusion.Pipelines;

/// <summary>
/// A clip as the model predicts it after a denoising step: its clean latents, and frames that are decoded where they are asked for.
/// To be used during the call that gives it.
/// </summary>
public sealed class ClipPreview
{
    private readonly Func<IEnumerable<Tensor>> _decode;

    internal ClipPreview(int video, int step, int totalSteps, Tensor latents, int frameCount, Func<IEnumerable<Tensor>> decode)
    {
        (Video, Step, TotalSteps, Latents, FrameCount, _decode) = (video, step, totalSteps, latents, frameCount, decode);
    }

    /// <summary>Which of the request's videos, from 0.</summary>
    public int Video { get; }

    /// <summary>Steps finished, from 1 to <see cref="TotalSteps"/>.</summary>
    public int Step { get; }

    /// <summary>Steps in all.</summary>
    public int TotalSteps { get; }

    /// <summary>The predicted clean latents, <c>[1, C, T, h, w]</c>, float64.</summary>
    public Tensor Latents { get; }

    /// <summary>
    /// How many frames <see cref="Frames"/> gives: all of the clip's where a tiny autoencoder decodes them, the first alone where there is
    /// only the full one.
    /// </summary>
    public int FrameCount { get; }

    /// <summary>Decodes frames as the sequence is read; what is not read is not decoded.</summary>
    /// <returns>Frames in order, <c>[1, 3, t, H, W]</c>, about [−1, 1]; each is the caller's to dispose.</returns>
    public IEnumerable<Tensor> Frames() => _decode();
}
