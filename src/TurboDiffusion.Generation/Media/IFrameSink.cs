using TorchSharp;

namespace TurboDiffusion.Generation.Media;

/// <summary>
/// Takes the frames of one video as they are decoded. Nothing is to be seen of the result before
/// <see cref="CompleteAsync"/>; disposing before that (after an error, or cancellation) leaves nothing behind.
/// </summary>
public interface IFrameSink : IAsyncDisposable
{
    /// <summary>Adds frames at the end. Waits while the sink is busy, so that memory stays flat.</summary>
    /// <param name="frames"><c>[T, H, W, 3]</c>, uint8, RGB, of the video's size; read before the call returns.</param>
    /// <exception cref="ArgumentException">The frames have another shape or type.</exception>
    /// <exception cref="EnvironmentException">The encoder failed.</exception>
    /// <exception cref="OperationCanceledException">The sink was cancelled.</exception>
    void Write(torch.Tensor frames);

    /// <summary>Finishes the video and puts it in its place.</summary>
    /// <param name="cancellationToken">Gives the video up, leaving nothing behind.</param>
    /// <exception cref="EnvironmentException">
    /// The encoder failed, the disk is full, the file cannot be played, or could not be put in its place.
    /// </exception>
    /// <exception cref="OperationCanceledException">The sink was cancelled.</exception>
    Task CompleteAsync(CancellationToken cancellationToken = default);
}
