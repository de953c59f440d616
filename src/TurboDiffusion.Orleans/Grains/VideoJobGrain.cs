using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.Orleans.Placement;

namespace TurboDiffusion.Orleans.Grains;

/// <summary>See <see cref="IVideoJobGrain"/>.</summary>
// With its previews a job that nobody asks about is worth no memory; one that runs is asked about all the time.
[CollectionAgeLimit(Minutes = 2)]
[FrontEndsFirst]
internal sealed partial class VideoJobGrain(
    [PersistentState("job", VideoCluster.Storage)] IPersistentState<VideoJobState> store,
    IVideoFileStore files,
    IOptions<VideoServiceOptions> service,
    IOptions<VideoClusterOptions> cluster,
    LongPoll polling,
    TimeProvider time,
    ILogger<VideoJobGrain> logger) : Grain, IVideoJobGrain
{
    // For watchers that are a little late.
    private const int PreviewsKept = 16;

    private static readonly TimeSpan SignOfLife = TimeSpan.FromSeconds(5);

    // What is stored for certain: a write that fails changes nothing that anybody sees.
    private VideoJobState _now = new();
    private Deadline _lease;
    private VideoJobProgress? _progress;
    private readonly List<(long Version, byte[] Picture)> _previews = [];
    private long _version;
    private bool _isSuspect;
    private TaskCompletionSource _news = NewSignal();

    private string Id => this.GetPrimaryKeyString();

    private bool IsLeased => _now.Job is { Status: VideoJobStatus.InProgress } && !_lease.HasPassed;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _now = store.State;
        // A run that goes on while this grain was elsewhere gets the time to say so.
        _lease = new Deadline(time, cluster.Value.Lease);
        // Another than that of any activation before.
        _version = time.GetUtcNow().Ticks;
        return Task.CompletedTask;
    }

    public Task CreateAsync(VideoJob job) => _now.Job is null ? StoreAsync(new VideoJobState { Job = job }) : Task.CompletedTask;

    public Task<VideoJob?> FindAsync() => Task.FromResult(Visible());

    public async Task<JobNews> WatchAsync(long seen)
    {
        if (seen == _version)
            await polling.WaitAsync(_news.Task, SignOfLife);

        // Who comes later sees where the run is.
        var previews = seen == 0 ? _previews.TakeLast(_now.Job is { HasEnded: false } ? 1 : 0)
            : _previews.Where(preview => preview.Version > seen);
        return new JobNews(_version, Visible(), [.. previews.Select(preview => preview.Picture)], _progress);
    }

    public async Task<VideoJob?> BeginAsync(string run)
    {
        if (IsLeased && _now.Run == run)
            return _now.Job;

        if (!(await StandingAsync()).Waits || _now.Job is not { } job)
            return null;

        job = job with { Status = VideoJobStatus.InProgress, StartedAt = time.GetUtcNow(), Attempts = job.Attempts + 1 };
        _progress = null;
        _previews.Clear();
        _lease = new Deadline(time, cluster.Value.Lease);
        await StoreAsync(_now with { Job = job, Run = run });
        return job;
    }

    public async Task<bool> KeepAsync(int attempt)
    {
        var until = new Deadline(time, cluster.Value.Lease / 3);
        while (IsOf(attempt))
        {
            _lease = new Deadline(time, cluster.Value.Lease);
            if (_isSuspect || until.Left is not { Ticks: > 0 } left)
                return true;

            await polling.WaitAsync(_news.Task, left);
        }

        return false;
    }

    public Task ReportAsync(int attempt, VideoJobProgress progress, byte[][] previews)
    {
        if (!IsOf(attempt))
            return Task.CompletedTask;

        _lease = new Deadline(time, cluster.Value.Lease);
        _progress = progress;
        _version++;
        _previews.AddRange(previews.Select(picture => (_version, picture)));
        _previews.RemoveRange(0, Math.Max(0, _previews.Count - PreviewsKept));
        Announce();
        return Task.CompletedTask;
    }

    public async Task<Publication> EndAsync(VideoJob ended)
    {
        if (_now.IsDeleted)
            await ForgetAsync();

        if (_now.Job is not { } job)
            return Publication.Gone;

        if (job.Attempts != ended.Attempts)
            return Publication.Superseded;

        if (!job.HasEnded)
        {
            await StoreAsync(_now with { Job = ended });
            await TellAsync(ended);
        }

        return Publication.Accepted;
    }

    public async Task ReleaseAsync(int attempt)
    {
        if (_now.IsDeleted)
        {
            await ForgetAsync();
        }
        else if (IsOf(attempt))
        {
            await StoreAsync(_now with { Job = _now.Job! with { Status = VideoJobStatus.Queued } });
            await BestEffortAsync(Queue(_now.Job!).ReturnAsync(Id));
        }
    }

    public async Task<bool> DeleteAsync()
    {
        if (_now is not { IsDeleted: false, Job: { } job })
            return false;

        if (IsLeased)
            await StoreAsync(_now with { IsDeleted = true });
        else
            await ForgetAsync();

        await BestEffortAsync(GrainFactory.GetGrain<IOwnerGrain>(VideoCluster.KeyOf(job.Owner)).RemoveAsync(Id));
        return true;
    }

    public async Task<JobStanding> StandingAsync()
    {
        if (_now.Job is not { HasEnded: false } job)
            return JobStanding.Done;

        if (IsLeased)
            return new JobStanding(Waits: false, _lease.Left);

        if (_now.IsDeleted)
        {
            await ForgetAsync();
            return JobStanding.Done;
        }

        if (job.Status == VideoJobStatus.InProgress)
        {
            var interruptions = _now.Interruptions + 1;
            LogInterrupted(Id, job.Attempts);
            job = interruptions < service.Value.MaxAttempts ? job with { Status = VideoJobStatus.Queued }
                : job.Failed(VideoJobError.Interrupted(interruptions), time.GetUtcNow(), service.Value.Retention);
            await StoreAsync(_now with { Job = job, Interruptions = interruptions });
            if (job.HasEnded)
            {
                await TellAsync(job);
                return JobStanding.Done;
            }
        }

        return JobStanding.Waiting;
    }

    private bool IsOf(int attempt) =>
        _now is { IsDeleted: false, Job: { Status: VideoJobStatus.InProgress } job } && job.Attempts == attempt;

    private VideoJob? Visible() => _now is not { IsDeleted: false, Job: { } job } ? null
        : job.Status == VideoJobStatus.InProgress ? job with { Progress = _progress ?? new VideoJobProgress(0) } : job;

    private async Task StoreAsync(VideoJobState next)
    {
        try
        {
            store.State = next;
            await store.WriteStateAsync();
        }
        catch
        {
            Distrust();
            throw;
        }

        _now = next;
        _version++;
        Announce();
    }

    /// <summary>Removes the files, and then all that is known of the job.</summary>
    private async Task ForgetAsync()
    {
        var job = _now.Job!;
        try
        {
            await files.DeleteAsync(Id);
            await store.ClearStateAsync();
        }
        catch
        {
            Distrust();
            throw;
        }

        _now = new VideoJobState();
        _version++;
        Announce();
        await BestEffortAsync(Queue(job).RemoveAsync(Id, duration: null));
        DeactivateOnIdle();
    }

    /// <summary>Ends this activation: whether a failed write happened is for the next one to read.</summary>
    private void Distrust()
    {
        _isSuspect = true;
        DeactivateOnIdle();
        Announce();
    }

    private async Task TellAsync(VideoJob ended)
    {
        await BestEffortAsync(Queue(ended).RemoveAsync(
            Id, ended.Status == VideoJobStatus.Completed ? ended.CompletedAt - ended.StartedAt : null));
        await BestEffortAsync(GrainFactory.GetGrain<IOwnerGrain>(VideoCluster.KeyOf(ended.Owner)).EndedAsync(
            Id, ended.ExpiresAt!.Value, ended.Video?.Bytes ?? 0));
    }

    /// <summary>Tells another grain; one that does not hear it finds out when it asks.</summary>
    private async Task BestEffortAsync(Task telling)
    {
        try
        {
            await telling;
        }
        catch (Exception exception)
        {
            LogNotTold(Id, exception);
        }
    }

    private IModelQueueGrain Queue(VideoJob job) => GrainFactory.GetGrain<IModelQueueGrain>(job.Request.Model!);

    private void Announce()
    {
        var news = _news;
        _news = NewSignal();
        news.TrySetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    [LoggerMessage(LogLevel.Warning, "The worker of the job {Id} was silent for too long in its run {Attempt}.")]
    private partial void LogInterrupted(string id, int attempt);

    [LoggerMessage(LogLevel.Information, "The end of the job {Id} could not be told.")]
    private partial void LogNotTold(string id, Exception exception);
}
