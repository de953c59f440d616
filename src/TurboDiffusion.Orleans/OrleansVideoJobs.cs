using System.Runtime.CompilerServices;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using TurboDiffusion.AspNetCore;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.Orleans.Grains;

namespace TurboDiffusion.Orleans;

/// <summary>The jobs of a cluster. This process keeps nothing of them: any front end answers for any job.</summary>
internal sealed class OrleansVideoJobs(
    IGrainFactory grains,
    IVideoFileStore files,
    SubmissionCheck check,
    UnansweredSubmissions unanswered,
    IOptions<VideoServiceOptions> options,
    IOptions<SiloMessagingOptions> messaging,
    TimeProvider time) : IVideoJobs
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(5);

    // While a machine is found dead and its grains come up elsewhere, requests wait rather than fail: as long as for one call.
    private TimeSpan Patience => messaging.Value.ResponseTimeout;

    private IRegistryGrain Registry => grains.GetGrain<IRegistryGrain>(IRegistryGrain.Key);

    public async Task<IReadOnlyList<string>> ListModelsAsync(CancellationToken cancellationToken) =>
        options.Value.Models is { Count: > 0 } models ? [.. models]
            : await AskAsync(() => Registry.ModelsAsync(), cancellationToken).ConfigureAwait(false);

    public async Task<VideoJob> SubmitAsync(VideoJobSubmission submission, CancellationToken cancellationToken)
    {
        var models = await ListModelsAsync(cancellationToken).ConfigureAwait(false);
        if (models.Count == 0)
            throw new VideoJobRefusedException(VideoJobRefusal.Unavailable, "No worker has been there yet. Try again later.", RetryAfter);

        var model = VideoModelCatalog.Resolve(submission.Request.Model, models, options.Value.ModelAliases);
        // A front end that is started with the model reads its headers alone.
        var note = await check.CheckAsync(submission, model, cancellationToken).ConfigureAwait(false);
        var job = submission.Accept(model, time.GetUtcNow()) with { Note = note };
        await submission.SaveImagesAsync(files, job.Id, cancellationToken).ConfigureAwait(false);
        SubmissionResult result;
        try
        {
            result = await AskAsync(() => Owner(job.Owner).SubmitAsync(job), cancellationToken).ConfigureAwait(false);
            if (result.Job?.Id != job.Id)
                await files.DeleteAsync(job.Id, CancellationToken.None).ConfigureAwait(false);
        }
        catch
        {
            // The job may be there, or still come.
            if (submission.HasImages)
                unanswered.Add(job.Id);

            throw;
        }

        if (result.Job is null)
            throw await RefusalAsync(result.Refusal, model, cancellationToken).ConfigureAwait(false);

        if (result.Job.Id != job.Id && !submission.IsRepeatOf(result.Job, model))
            throw VideoJobRefusedException.KeyReused();

        return result.Job;
    }

    public async Task<VideoJob?> FindAsync(string owner, string id, CancellationToken cancellationToken)
    {
        if (!VideoJobId.IsValid(id))
            return null;

        var job = await AskAsync(() => Job(id).FindAsync(), cancellationToken).ConfigureAwait(false);
        return job?.Owner == owner ? await WithPositionAsync(job, cancellationToken).ConfigureAwait(false) : null;
    }

    public async Task<VideoJobPage> ListAsync(
        string owner, int limit, string? after, bool ascending, CancellationToken cancellationToken)
    {
        var page = await AskAsync(() => Owner(owner).ListAsync(limit, after, ascending), cancellationToken).ConfigureAwait(false);
        var jobs = await Task.WhenAll(page.Ids.Select(id => AskAsync(() => Job(id).FindAsync(), cancellationToken))).ConfigureAwait(false);
        return new VideoJobPage([.. jobs.OfType<VideoJob>()], page.HasMore);
    }

    public async Task<bool> DeleteAsync(string owner, string id, CancellationToken cancellationToken) =>
        await FindAsync(owner, id, cancellationToken).ConfigureAwait(false) is not null
        && await AskAsync(() => Job(id).DeleteAsync(), CancellationToken.None).ConfigureAwait(false);

    public async IAsyncEnumerable<VideoJobEvent> WatchAsync(
        string owner, string id, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!VideoJobId.IsValid(id))
            yield break;

        for (var seen = 0L; ;)
        {
            // As long as the client stays: the job comes back with the machine that has it.
            var news = await ClusterCalls.RetryAsync(() => Job(id).WatchAsync(seen), time, patience: null, cancellationToken)
                .ConfigureAwait(false);
            if (news.Job is not { } job || job.Owner != owner)
                yield break;

            // Pictures are of the run, even where it has ended since.
            var running = job.HasEnded ? job with { Status = VideoJobStatus.InProgress, Video = null, Progress = news.Progress } : job;
            foreach (var preview in news.Previews)
                yield return new VideoJobEvent(running, preview);

            if (job.HasEnded || news.Previews.Count == 0)
                yield return new VideoJobEvent(await WithPositionAsync(job, cancellationToken).ConfigureAwait(false));

            if (job.HasEnded)
                yield break;

            seen = news.Version;
        }
    }

    private async Task<VideoJob> WithPositionAsync(VideoJob job, CancellationToken cancellationToken) =>
        job.Status != VideoJobStatus.Queued ? job : job with
        {
            Progress = new VideoJobProgress(0, QueuePosition: await AskAsync(
                () => Queue(job.Request.Model!).PositionAsync(new QueueEntry(job.Id, job.Owner)), cancellationToken)
                .ConfigureAwait(false)),
        };

    private async Task<VideoJobRefusedException> RefusalAsync(VideoJobRefusal? refusal, string model, CancellationToken cancellationToken)
    {
        var wait = await AskAsync(() => Queue(model).TypicalDurationAsync(), cancellationToken).ConfigureAwait(false);
        return refusal == VideoJobRefusal.QueueFull ? VideoJobRefusedException.QueueFull(options.Value.MaxQueuedJobs, wait)
            : VideoJobRefusedException.OwnerQueueFull(options.Value.MaxJobsPerKey, wait);
    }

    private async Task<T> AskAsync<T>(Func<Task<T>> call, CancellationToken cancellationToken)
    {
        try
        {
            return await ClusterCalls.RetryAsync(call, time, Patience, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            throw new VideoJobRefusedException(
                VideoJobRefusal.Unavailable, "The machines that keep the jobs do not answer. Try again later.", RetryAfter, exception);
        }
    }

    private IVideoJobGrain Job(string id) => grains.GetGrain<IVideoJobGrain>(id);

    private IOwnerGrain Owner(string owner) => grains.GetGrain<IOwnerGrain>(VideoCluster.KeyOf(owner));

    private IModelQueueGrain Queue(string model) => grains.GetGrain<IModelQueueGrain>(model);
}
