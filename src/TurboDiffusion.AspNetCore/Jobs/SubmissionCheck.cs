using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>
/// Refuses, before it is stored, a prompt that is too long and what the model that is asked for cannot make, where its generator is here
/// and knows (<see cref="RequestCheck"/>).
/// </summary>
internal sealed class SubmissionCheck(VideoModelCatalog models, IOptions<VideoServiceOptions> options)
{
    /// <summary>Checks a request.</summary>
    /// <param name="submission">It.</param>
    /// <param name="model">The model, by its own name.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    /// <returns>What is to be said of its prompt; null where nothing is, or where the generator does not know.</returns>
    /// <exception cref="InvalidRequestException">It is not taken.</exception>
    public async Task<string?> CheckAsync(VideoJobSubmission submission, string model, CancellationToken cancellationToken)
    {
        var (request, limits) = (submission.Request, options.Value);
        // Whichever way it came in: tools are no endpoint.
        if (request.Prompt.Length > limits.MaxPromptLength)
        {
            throw new InvalidRequestException("prompt",
                $"The prompt has {request.Prompt.Length} characters; at most {limits.MaxPromptLength} are accepted.");
        }

        if (models.Find(model) is not { } generator)
            return null;

        try
        {
            var video = await RequestCheck.CheckAsync(
                generator,
                request,
                request.ToGenerate(Image(submission.StartImage, request.StartImage), Image(submission.EndImage, request.EndImage)),
                limits,
                cancellationToken).ConfigureAwait(false);
            return video?.Note;
        }
        catch (TurboDiffusionException exception)
            when (exception is not InvalidRequestException { Parameter: var parameter } || RequestTranslation.FieldOf(parameter) is null)
        {
            // The service's fault, not the request's: the model's files or the device may be back when the job runs, which tells.
            return null;
        }
    }

    private static DataContent? Image(ReadOnlyMemory<byte>? bytes, string? name) =>
        bytes is { } image && name is not null ? new DataContent(image, VideoFileNames.MediaType(name)) : null;
}
