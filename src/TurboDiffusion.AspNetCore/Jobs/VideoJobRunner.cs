using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>Runs one job on a generator, and stores the video with its pictures.</summary>
/// <param name="files">Where the images are and the results go.</param>
/// <param name="options">How many previews are made, and how long videos are kept.</param>
/// <param name="time">Tells the time.</param>
/// <param name="logger">Told why jobs failed.</param>
public sealed partial class VideoJobRunner(
    IVideoFileStore files, IOptions<VideoServiceOptions> options, TimeProvider time, ILogger<VideoJobRunner> logger)
{
    /// <summary>Runs a job from its beginning to its end.</summary>
    /// <param name="generator">The generator of the job's model.</param>
    /// <param name="job">The job.</param>
    /// <param name="report">Told of progress and previews, in order.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>The job with its video, or with the error that ended it.</returns>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task<VideoJob> RunToEndAsync(
        IVideoGenerator generator,
        VideoJob job,
        Action<VideoJobProgress, ReadOnlyMemory<byte>?> report,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(job);
        try
        {
            // What a run that was killed had stored, and nobody was told of.
            if (job.Attempts > 1)
                await files.DeleteRunsAsync(job.Id, job.Attempts, cancellationToken).ConfigureAwait(false);

            var video = await RunAsync(generator, job, report, cancellationToken).ConfigureAwait(false);
            return job.Completed(video, time.GetUtcNow(), options.Value.Retention);
        }
        catch (Exception exception) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException($"The job {job.Id} was cancelled.", exception, cancellationToken);
        }
        catch (Exception exception)
        {
            LogFailed(job.Id, exception);
            await files.DeleteRunsAsync(job.Id, job.Attempts + 1, CancellationToken.None)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return job.Failed(VideoJobError.Of(exception), time.GetUtcNow(), options.Value.Retention);
        }
    }

    /// <summary>Runs a job from its beginning; its files are named by the run.</summary>
    /// <param name="generator">The generator of the job's model.</param>
    /// <param name="job">The job.</param>
    /// <param name="report">Told of progress and previews, in order.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>The files that are stored.</returns>
    /// <exception cref="TurboDiffusionException">The request cannot be met.</exception>
    public async Task<StoredVideo> RunAsync(
        IVideoGenerator generator,
        VideoJob job,
        Action<VideoJobProgress, ReadOnlyMemory<byte>?> report,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(generator);
        ArgumentNullException.ThrowIfNull(job);
        ArgumentNullException.ThrowIfNull(report);
        var pictures = new PreviewPictures();
        var progress = new VideoJobProgress(0);
        AIContent? video = null;
        var request = await RequestAsync(job, cancellationToken).ConfigureAwait(false);
        await RequestCheck.CheckAsync(generator, job.Request, request, options.Value, cancellationToken).ConfigureAwait(false);
        await foreach (var update in generator.GenerateStreamingAsync(
            request, job.Request.ToOptions(options.Value.Previews), cancellationToken).ConfigureAwait(false))
        {
            if (update.Kind == VideoGenerationResponseUpdateKind.VideoUpdated)
                video ??= update.Contents.FirstOrDefault(content => content is DataContent or UriContent);

            var before = progress;
            progress = update is { Progress: { } now, Contents: [] } ? Progress(now, before) : before;
            var preview = update.Kind == VideoGenerationResponseUpdateKind.VideoUpdating && update.Contents is [DataContent picture, ..]
                // With a step, it is what that step predicts, and no frame of the video.
                ? update.Progress is null ? pictures.Add(picture.Data) : PreviewPictures.Small(picture.Data)
                : (ReadOnlyMemory<byte>?)null;
            if (progress != before || preview is not null)
                report(progress, preview);
        }

        return video is null
            ? throw new InvalidOperationException("The generator ended without a video.")
            : await StoreAsync(job, video, pictures, cancellationToken).ConfigureAwait(false);
    }

    // 100 is for a video that is stored.
    private static VideoJobProgress Progress(VideoGenerationProgress now, VideoJobProgress before) => new(
        Math.Min(now.PercentComplete ?? before.Percent, 99), now.Stage, now.Step, now.TotalSteps, now.Remaining?.TotalSeconds);

    private async Task<VideoGenerationRequest> RequestAsync(VideoJob job, CancellationToken cancellationToken) => job.Request.ToGenerate(
        await ImageAsync(job.Id, job.Request.StartImage, cancellationToken).ConfigureAwait(false),
        await ImageAsync(job.Id, job.Request.EndImage, cancellationToken).ConfigureAwait(false));

    private async Task<DataContent?> ImageAsync(string job, string? name, CancellationToken cancellationToken)
    {
        if (name is null)
            return null;

        var stream = await files.OpenAsync(job, name, cancellationToken).ConfigureAwait(false)
            ?? throw new InvalidOperationException($"The image '{name}' of the job {job} is gone.");
        await using (stream.ConfigureAwait(false))
        {
            var bytes = new byte[stream.Length];
            await stream.ReadExactlyAsync(bytes, cancellationToken).ConfigureAwait(false);
            return new DataContent(bytes, VideoFileNames.MediaType(name));
        }
    }

    private async Task<StoredVideo> StoreAsync(
        VideoJob job, AIContent video, PreviewPictures pictures, CancellationToken cancellationToken)
    {
        var (bytes, mediaType) = video switch
        {
            DataContent data => (data.Data, data.MediaType),
            UriContent { Uri: { IsAbsoluteUri: true, IsFile: true } uri } file =>
                (InputFile.ReadBytes(uri.LocalPath, Array.MaxLength), file.MediaType),
            _ => throw new InvalidOperationException("The generator returned neither the bytes of a video nor a file on this machine."),
        };
        long total = 0;
        string? thumbnail = null, spritesheet = null;
        // First: where there is no room for it, nothing is left.
        var name = await SaveAsync(VideoFileNames.Video(mediaType.Split(';')[0], job.Attempts), bytes).ConfigureAwait(false);
        try
        {
            if (pictures.IsEmpty)
                await AddFramesAsync(pictures, bytes, mediaType, video.GetVideoInfo()?.FrameCount, cancellationToken).ConfigureAwait(false);

            if (!pictures.IsEmpty)
            {
                thumbnail = await SaveAsync(VideoFileNames.Thumbnail(job.Attempts), pictures.Thumbnail()).ConfigureAwait(false);
                spritesheet = await SaveAsync(VideoFileNames.Spritesheet(job.Attempts), pictures.Spritesheet()).ConfigureAwait(false);
            }
        }
        catch (TurboDiffusionException exception)
        {
            LogNoPictures(exception.Message);
        }

        return new StoredVideo(name, total, video.GetVideoInfo(), thumbnail, spritesheet);

        async Task<string> SaveAsync(string file, ReadOnlyMemory<byte> content)
        {
            await files.SaveAsync(job.Id, file, content, cancellationToken).ConfigureAwait(false);
            total += content.Length;
            return file;
        }
    }

    /// <summary>Takes pictures from the video itself, where the generator has shown none.</summary>
    private async Task AddFramesAsync(
        PreviewPictures pictures, ReadOnlyMemory<byte> video, string mediaType, int? frames, CancellationToken cancellationToken)
    {
        using var folder = new ScratchFolder("the pictures of a video");
        var path = folder.Add(VideoFileNames.Video(mediaType.Split(';')[0], attempt: 1), video);
        var count = Math.Max(1, options.Value.Previews);
        foreach (var picture in await VideoPictures.ReadAsync(path, count, PreviewPictures.MaxWidth, frames, cancellationToken)
            .ConfigureAwait(false))
            pictures.Add(picture);
    }

    [LoggerMessage(LogLevel.Warning, "A video has not all of its pictures. {Reason}")]
    private partial void LogNoPictures(string reason);

    [LoggerMessage(LogLevel.Error, "The job {Id} failed.")]
    private partial void LogFailed(string id, Exception exception);
}
