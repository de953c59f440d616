namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Tells, without generating anything, that a request cannot be met: a size, a number of frames or steps, an image that the model does
/// not take. A service of generators that know, obtained through <see cref="IVideoGenerator.GetService"/>: who queues requests refuses at
/// once what would only fail later.
/// </summary>
public interface IVideoRequestCheck
{
    /// <summary>Refuses what this generator cannot make. What passes may still fail, such as for want of memory.</summary>
    /// <param name="request">What the video shows.</param>
    /// <param name="options">Size, duration, seed and so on, as they will be given to the generator.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    /// <returns>What would be made: size, frames, rate, and the note on the prompt. The seed is that of the options.</returns>
    /// <exception cref="Exception">The request cannot be met; the generator would throw the same.</exception>
    ValueTask<VideoInfo> CheckAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options = null, CancellationToken cancellationToken = default);
}
