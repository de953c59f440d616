using System.Runtime.CompilerServices;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore.Files;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>The jobs of one machine: kept in a store, run in this process by <see cref="VideoJobDispatcher"/>.</summary>
internal sealed class LocalVideoJobs(
    IVideoJobStore store,
    IVideoFileStore files,
    VideoModelCatalog models,
    SubmissionCheck check,
    LiveJobs live,
    JobDurations durations,
    IOptions<VideoServiceOptions> options,
    TimeProvider time) : IVideoJobs
{
    private static readonly TimeSpan SignOfLife = TimeSpan.FromSeconds(5);

    public Task<IReadOnlyList<string>> ListModelsAsync(CancellationToken cancellationToken) => Task.FromResult(models.Names);

    public async Task<VideoJob> SubmitAsync(VideoJobSubmission submission, CancellationToken cancellationToken)
    {
        var model = models.Resolve(submission.Request.Model);
        var note = await check.CheckAsync(submission, model, cancellationToken).ConfigureAwait(false);
        var job = submission.Accept(model, time.GetUtcNow()) with { Note = note };
        await submission.SaveImagesAsync(files, job.Id, cancellationToken).ConfigureAwait(false);
        try
        {
            var stored = await store.AddAsync(job, options.Value.MaxQueuedJobs, options.Value.MaxJobsPerKey, cancellationToken)
                .ConfigureAwait(false);
            if (stored.Id == job.Id)
            {
                live.Wake();
                return job;
            }

            if (!submission.IsRepeatOf(stored, model))
                throw VideoJobRefusedException.KeyReused();

            await files.DeleteAsync(job.Id, CancellationToken.None).ConfigureAwait(false);
            return await NowAsync(stored, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            // There is no such job.
            await files.DeleteAsync(job.Id, CancellationToken.None).ConfigureAwait(false);
            if (exception is VideoJobRefusedException { Refusal: VideoJobRefusal.QueueFull or VideoJobRefusal.OwnerQueueFull } refused)
                throw new VideoJobRefusedException(refused.Refusal, refused.Message, durations.Typical);

            throw;
        }
    }

    public async Task<VideoJob?> FindAsync(string owner, string id, CancellationToken cancellationToken) =>
        VideoJobId.IsValid(id) && await store.FindAsync(id, cancellationToken).ConfigureAwait(false) is { } job && job.Owner == owner
            ? await NowAsync(job, cancellationToken).ConfigureAwait(false) : null;

    public async Task<VideoJobPage> ListAsync(
        string owner, int limit, string? after, bool ascending, CancellationToken cancellationToken)
    {
        var page = await store.ListAsync(owner, limit, after, ascending, cancellationToken).ConfigureAwait(false);
        return page with { Jobs = [.. page.Jobs.Select(job => job with { Progress = live.Now(job.Id).Progress })] };
    }

    public async Task<bool> DeleteAsync(string owner, string id, CancellationToken cancellationToken)
    {
        if (await FindAsync(owner, id, cancellationToken).ConfigureAwait(false) is null)
            return false;

        // The job first: a run that ends now finds it gone, and deletes what it has stored.
        var removed = await store.RemoveAsync(id, CancellationToken.None).ConfigureAwait(false);
        live.Cancel(id);
        await files.DeleteAsync(id, CancellationToken.None).ConfigureAwait(false);
        return removed;
    }

    public async IAsyncEnumerable<VideoJobEvent> WatchAsync(
        string owner, string id, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            // Watched before it is looked up, so that nothing happens in between.
            var watch = live.Watch(id);
            try
            {
                var preview = live.Now(id).Preview;
                var more = watch.WaitToReadAsync(cancellationToken).AsTask();
                while (true)
                {
                    if (await FindAsync(owner, id, cancellationToken).ConfigureAwait(false) is not { } job)
                        yield break;

                    yield return new VideoJobEvent(job, preview);
                    if (job.HasEnded)
                        yield break;

                    preview = null;
                    while (await IsMoreAsync(more, cancellationToken).ConfigureAwait(false))
                    {
                        while (watch.TryRead(out var update))
                            yield return update;

                        more = watch.WaitToReadAsync(cancellationToken).AsTask();
                    }

                    // The run has ended or begun: what came of it, and then a new watch.
                    if (more.IsCompleted)
                        break;
                }
            }
            finally
            {
                live.Unwatch(id, watch);
            }
        }
    }

    /// <summary>Whether there is progress to read; false, too, where for a while there was none.</summary>
    private async Task<bool> IsMoreAsync(Task<bool> more, CancellationToken cancellationToken)
    {
        try
        {
            return await more.WaitAsync(SignOfLife, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private async Task<VideoJob> NowAsync(VideoJob job, CancellationToken cancellationToken) => job.Status switch
    {
        VideoJobStatus.Queued => job with
        {
            Progress = new VideoJobProgress(
                0, QueuePosition: await store.QueuePositionAsync(job.Id, cancellationToken).ConfigureAwait(false)),
        },
        VideoJobStatus.InProgress => job with { Progress = live.Now(job.Id).Progress },
        _ => job,
    };
}
