using static TorchSharp.torch;

namespace TurboDiffusion.Pipelines;

/// <summary>Takes the frames of the videos as they are decoded. Called from the generating thread, in order.</summary>
public interface IVideoReceiver
{
    /// <summary>
    /// A denoising step is finished. Not called where nothing in memory could decode it: with low memory and no tiny autoencoder.
    /// Looking at it changes nothing of the video.
    /// </summary>
    /// <param name="preview">The video as it is predicted now; before its <see cref="Begin"/>.</param>
    void Preview(ClipPreview preview)
    {
    }

    /// <summary>A video's frames are about to come.</summary>
    /// <param name="video">Which of the request's videos, from 0.</param>
    /// <param name="seed">The seed that makes it again.</param>
    void Begin(int video, ulong seed);

    /// <summary>The next frames of the current video.</summary>
    /// <param name="frames">
    /// <c>[1, 3, t, H, W]</c>, about [−1, 1] but not clamped, any float dtype, on the model's device. Freed after the call.
    /// </param>
    void Write(Tensor frames);

    /// <summary>The current video is complete.</summary>
    void End();
}
