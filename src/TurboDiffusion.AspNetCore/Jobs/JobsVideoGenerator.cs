using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>
/// Jobs as a generator: each call becomes a job of one owner, in the queue and within the limits of all others, and its result is
/// the video's address in the API. Cancelling a call deletes its job.
/// </summary>
/// <param name="jobs">Takes the jobs.</param>
/// <param name="owner">Whose they are.</param>
/// <param name="api">The address of the API, such as <c>http://localhost:5080/v1</c>.</param>
public sealed class JobsVideoGenerator(IVideoJobs jobs, string owner, Uri api) : IVideoGenerator
{
    /// <inheritdoc/>
    public Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        GenerateStreamingAsync(request, options, cancellationToken).ToVideoGenerationResponseAsync(cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="InvalidRequestException">The request cannot be met.</exception>
    /// <exception cref="VideoGeneratorQueueFullException">Too many jobs wait.</exception>
    public async IAsyncEnumerable<VideoGenerationResponseUpdate> GenerateStreamingAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        var job = await SubmitAsync(request, options ?? new VideoGenerationOptions(), cancellationToken).ConfigureAwait(false);
        try
        {
            await foreach (var update in jobs.WatchAsync(owner, job.Id, cancellationToken).ConfigureAwait(false))
            {
                job = update.Job;
                if (job is { HasEnded: false, Progress: { } now })
                    yield return Progress(job, now);
            }
        }
        finally
        {
            if (!job.HasEnded)
                await jobs.DeleteAsync(owner, job.Id, CancellationToken.None).ConfigureAwait(false);
        }

        if (job.Video is not { } video)
            throw new InvalidRequestException("video", job.Error?.Message ?? "The video was deleted before it was finished.");

        var content = new UriContent(
            new Uri($"{api.AbsoluteUri.TrimEnd('/')}/videos/{job.Id}/content"), Files.VideoFileNames.MediaType(video.File));
        yield return new VideoGenerationResponseUpdate([video.Info is { } info ? content.WithVideoInfo(info) : content])
        {
            Kind = VideoGenerationResponseUpdateKind.VideoUpdated,
            ResponseId = job.Id,
            ModelId = job.Request.Model,
        };
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is null && serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>Does nothing: jobs outlive whoever asked for them.</summary>
    public void Dispose()
    {
    }

    private async Task<VideoJob> SubmitAsync(
        VideoGenerationRequest request, VideoGenerationOptions options, CancellationToken cancellationToken)
    {
        if ((request.StartFrame ?? request.EndFrame) is not null)
            throw new InvalidRequestException("image", "Images go through the API, not through this tool.");

        try
        {
            return await jobs.SubmitAsync(
                new VideoJobSubmission(owner, new VideoJobRequest
                {
                    Prompt = request.Prompt ?? "",
                    NegativePrompt = request.NegativePrompt,
                    Model = options.ModelId,
                    Width = options.VideoSize?.Width,
                    Height = options.VideoSize?.Height,
                    AspectRatio = options.AspectRatio,
                    Seconds = options.Duration?.TotalSeconds,
                    FramesPerSecond = options.FramesPerSecond,
                    Seed = options.Seed,
                }),
                cancellationToken).ConfigureAwait(false);
        }
        catch (VideoJobRefusedException exception) when (exception.Refusal == VideoJobRefusal.UnknownModel)
        {
            throw new InvalidRequestException("model", exception.Message, exception);
        }
        catch (VideoJobRefusedException exception)
        {
            throw new VideoGeneratorQueueFullException(exception.Message);
        }
    }

    private static VideoGenerationResponseUpdate Progress(VideoJob job, VideoJobProgress now) => new()
    {
        Kind = job.Status == VideoJobStatus.Queued ? VideoGenerationResponseUpdateKind.Queued : VideoGenerationResponseUpdateKind.Progress,
        ResponseId = job.Id,
        Progress = new VideoGenerationProgress(
            now.Stage,
            now.Step,
            now.TotalSteps,
            now.Percent,
            Remaining: now.SecondsLeft is { } left ? TimeSpan.FromSeconds(left) : null,
            QueuePosition: now.QueuePosition),
    };
}
