using System.Diagnostics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.AspNetCore.Telemetry;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>
/// Runs the jobs of this machine, in turn between their owners. Those that a killed process left in the middle run
/// again; when the application stops in order, what runs waits for the next start.
/// </summary>
internal sealed partial class VideoJobDispatcher(
    IVideoJobStore store,
    IVideoFileStore files,
    VideoModelCatalog models,
    VideoJobRunner runner,
    LiveJobs live,
    JobDurations durations,
    JobMetrics metrics,
    IOptions<VideoServiceOptions> options,
    TimeProvider time,
    ILogger<VideoJobDispatcher> logger) : BackgroundService
{
    private static readonly TimeSpan SweepInterval = TimeSpan.FromMinutes(1), RetryDelay = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        // A count takes microseconds, and whoever asks for metrics waits for the answer.
        metrics.Count(status => [new(store.CountAsync(status).GetAwaiter().GetResult())]);
        await RecoverAsync(cancellationToken).ConfigureAwait(false);
        await base.StartAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        [SweepAsync(stoppingToken), .. Enumerable.Range(0, options.Value.Workers)
            .Select(_ => Task.Run(() => WorkAsync(stoppingToken), stoppingToken))]);

    private async Task RecoverAsync(CancellationToken cancellationToken)
    {
        foreach (var job in await store.ListAsync(VideoJobStatus.InProgress, cancellationToken).ConfigureAwait(false))
        {
            LogInterrupted(job.Id, job.Attempts);
            await files.DeleteRunsAsync(job.Id, job.Attempts + 1, cancellationToken).ConfigureAwait(false);
            await store.UpdateAsync(
                job.Attempts < options.Value.MaxAttempts ? job with { Status = VideoJobStatus.Queued }
                    : job.Failed(VideoJobError.Interrupted(job.Attempts), time.GetUtcNow(), options.Value.Retention),
                cancellationToken).ConfigureAwait(false);
        }

        try
        {
            // Files of jobs that were being accepted or deleted when the process was killed.
            foreach (var id in await files.ListJobsAsync(cancellationToken).ConfigureAwait(false))
            {
                if (await store.FindAsync(id, cancellationToken).ConfigureAwait(false) is null)
                    await files.DeleteAsync(id, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (EnvironmentException exception)
        {
            // They are left to the next start; what can be done without them goes on.
            LogStoreFailed(exception);
        }
    }

    private async Task WorkAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                if (await store.TakeAsync(time.GetUtcNow(), stopping).ConfigureAwait(false) is not { } job)
                {
                    await live.WaitForWorkAsync(stopping).ConfigureAwait(false);
                    continue;
                }

                // Another worker may be free for the next one.
                live.Wake();
                await RunAsync(job, stopping).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                // The store or the disk failed; the job waits for the next start, the others go on.
                LogStoreFailed(exception);
                await Task.Delay(RetryDelay, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task RunAsync(VideoJob job, CancellationToken stopping)
    {
        var cancelled = live.Begin(job, stopping);
        var watch = Stopwatch.GetTimestamp();
        try
        {
            var ended = await EndOfAsync(job, cancelled, stopping).ConfigureAwait(false);
            var duration = Stopwatch.GetElapsedTime(watch);
            metrics.Ended(ended ?? job, duration);
            if (ended is { Status: VideoJobStatus.Completed })
                durations.Add(duration);

            // A job that was deleted meanwhile is not there; what its run has stored goes too.
            if (ended is null || !await StoreAsync(ended, stopping).ConfigureAwait(false))
                await files.DeleteAsync(job.Id, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            live.End(job.Id);
        }

        await DisposeOldAsync(CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Stores a job that has ended. Where there is no room, until there is, or until the next start runs it again.</summary>
    private async Task<bool> StoreAsync(VideoJob ended, CancellationToken stopping)
    {
        while (true)
        {
            try
            {
                return await store.UpdateAsync(ended, CancellationToken.None).ConfigureAwait(false);
            }
            catch (EnvironmentException exception) when (!stopping.IsCancellationRequested)
            {
                LogStoreFailed(exception);
            }

            await Task.Delay(RetryDelay, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Runs a job; null where it was deleted.</summary>
    private async Task<VideoJob?> EndOfAsync(VideoJob job, CancellationToken cancelled, CancellationToken stopping)
    {
        try
        {
            return await runner.RunToEndAsync(
                models.Generator(job.Request.Model!), job, (progress, preview) => live.Report(job.Id, progress, preview), cancelled)
                .ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Not the job's fault: it counts as no attempt.
            return job with { Status = VideoJobStatus.Queued, Attempts = job.Attempts - 1 };
        }
        catch (OperationCanceledException)
        {
            LogCancelled(job.Id);
            return null;
        }
    }

    private async Task SweepAsync(CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(SweepInterval, time);
        try
        {
            do
                await DisposeOldAsync(stopping).ConfigureAwait(false);
            while (await timer.WaitForNextTickAsync(stopping).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task DisposeOldAsync(CancellationToken cancellationToken)
    {
        try
        {
            var old = await store.ListDisposableAsync(time.GetUtcNow(), options.Value.MaxStoredBytes, cancellationToken)
                .ConfigureAwait(false);
            foreach (var id in old)
            {
                // The files first: on a full disk, they are the room that the store needs to forget the job.
                await files.DeleteAsync(id, cancellationToken).ConfigureAwait(false);
                await store.RemoveAsync(id, cancellationToken).ConfigureAwait(false);
            }

            if (old.Count > 0)
                LogDisposed(old.Count);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            LogStoreFailed(exception);
        }
    }

    [LoggerMessage(LogLevel.Warning, "The job {Id} was interrupted in its run {Attempt}.")]
    private partial void LogInterrupted(string id, int attempt);

    [LoggerMessage(LogLevel.Information, "The job {Id} was cancelled.")]
    private partial void LogCancelled(string id);

    [LoggerMessage(LogLevel.Information, "{Count} old jobs were deleted.")]
    private partial void LogDisposed(int count);

    [LoggerMessage(LogLevel.Error, "Jobs could not be stored.")]
    private partial void LogStoreFailed(Exception exception);
}
