using TorchSharp;
using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Generation;

/// <summary>
/// Sees the videos of a request in the making, beside their files. Called from the generating thread, in order; what it throws ends the
/// generation.
/// </summary>
public interface IVideoObserver
{
    /// <summary>A denoising step is finished; as <see cref="IVideoReceiver.Preview"/>.</summary>
    /// <param name="preview">The video as it is predicted now; before its <see cref="Begin"/>.</param>
    void Preview(ClipPreview preview)
    {
    }

    /// <summary>A video's frames are about to come.</summary>
    /// <param name="video">Which of the request's videos, from 0.</param>
    /// <param name="seed">The seed that makes it again.</param>
    void Begin(int video, ulong seed)
    {
    }

    /// <summary>
    /// The next frames of the current video, before they are written: of a GPU a chunk later, while it computes the next one.
    /// </summary>
    /// <param name="levels"><c>[t, H, W, 3]</c>, uint8, on the CPU. Freed after the call.</param>
    void Write(torch.Tensor levels)
    {
    }

    /// <summary>The current video is complete, and its file is there.</summary>
    void End()
    {
    }
}
