using System.Globalization;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>
/// Refuses what a model cannot make, and what is longer than the service makes, where the model's generator knows: when the video is asked
/// for, and again when it is to be made, since a front end of a cluster may not have the model, and a job that waited may be begun by a
/// service with other settings than those that it was accepted by.
/// </summary>
internal static class RequestCheck
{
    /// <summary>Checks a request.</summary>
    /// <param name="generator">The generator of its model.</param>
    /// <param name="asked">It.</param>
    /// <param name="request">It as the generator gets it.</param>
    /// <param name="limits">How long a video may be.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    /// <returns>What would be made; null where the generator does not know.</returns>
    /// <exception cref="InvalidRequestException">It cannot be made.</exception>
    public static async Task<VideoInfo?> CheckAsync(
        IVideoGenerator generator,
        VideoJobRequest asked,
        VideoGenerationRequest request,
        VideoServiceOptions limits,
        CancellationToken cancellationToken)
    {
        if (generator.GetService<IVideoRequestCheck>() is not { } check)
            return null;

        try
        {
            var video = await check.CheckAsync(request, asked.ToOptions(limits.Previews), cancellationToken).ConfigureAwait(false);
            if (asked.Seconds is { } seconds && video.FrameCount > limits.MaxFrames)
            {
                throw new InvalidRequestException("duration", string.Create(CultureInfo.InvariantCulture,
                    $"{seconds} seconds are {video.FrameCount} frames; at most {limits.MaxFrames} are made."));
            }

            return video;
        }
        catch (InvalidRequestException exception) when (exception.Parameter == "frames" && asked.Frames is null)
        {
            // By the name of what was asked for.
            throw new InvalidRequestException("duration", exception.Message, exception);
        }
    }
}
