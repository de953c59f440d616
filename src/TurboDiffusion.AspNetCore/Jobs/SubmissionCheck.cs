using System.Globalization;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>Refuses, before it is stored, what the model that is asked for cannot make, where its generator is here and knows.</summary>
internal sealed class SubmissionCheck(VideoModelCatalog models, IOptions<VideoServiceOptions> options)
{
    /// <summary>Checks a request.</summary>
    /// <param name="submission">It.</param>
    /// <param name="model">The model, by its own name.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    /// <exception cref="InvalidRequestException">The model cannot make it.</exception>
    public async Task CheckAsync(VideoJobSubmission submission, string model, CancellationToken cancellationToken)
    {
        if (models.Find(model)?.GetService<IVideoRequestCheck>() is not { } check)
            return;

        var request = submission.Request;
        try
        {
            var video = await check.CheckAsync(
                request.ToGenerate(Image(submission.StartImage, request.StartImage), Image(submission.EndImage, request.EndImage)),
                request.ToOptions(options.Value.Previews),
                cancellationToken).ConfigureAwait(false);
            if (request.Seconds is { } seconds && video.FrameCount > options.Value.MaxFrames)
            {
                throw new InvalidRequestException("duration", string.Create(CultureInfo.InvariantCulture,
                    $"{seconds} seconds are {video.FrameCount} frames; at most {options.Value.MaxFrames} are made."));
            }
        }
        catch (InvalidRequestException exception) when (exception.Parameter == "frames" && request.Frames is null)
        {
            // By the name of what was asked for.
            throw new InvalidRequestException("duration", exception.Message, exception);
        }
        catch (TurboDiffusionException exception)
            when (exception is not InvalidRequestException { Parameter: var parameter } || RequestTranslation.FieldOf(parameter) is null)
        {
            // The service's fault, not the request's: the model's files or the device may be back when the job runs, which tells.
        }
    }

    private static DataContent? Image(ReadOnlyMemory<byte>? bytes, string? name) =>
        bytes is { } image && name is not null ? new DataContent(image, VideoFileNames.MediaType(name)) : null;
}
