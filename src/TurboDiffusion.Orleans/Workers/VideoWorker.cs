using System.Diagnostics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.AspNetCore.Telemetry;
using TurboDiffusion.Orleans.Grains;

namespace TurboDiffusion.Orleans.Workers;

/// <summary>
/// Pulls jobs of the models of this process and runs them. A run that ends is published; one that the cluster has taken back is
/// stopped; when the application stops in order, what runs goes back to the queue.
/// </summary>
internal sealed partial class VideoWorker(
    IGrainFactory grains,
    IVideoFileStore files,
    VideoModelCatalog models,
    VideoJobRunner runner,
    JobMetrics metrics,
    IOptions<VideoServiceOptions> service,
    IOptions<VideoClusterOptions> cluster,
    TimeProvider time,
    ILogger<VideoWorker> logger) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    // What an orderly stop waits for.
    private static readonly TimeSpan LastCalls = TimeSpan.FromSeconds(5);

    private readonly string _name = $"{Environment.MachineName}-{Environment.ProcessId}-{Guid.NewGuid():N}";

    // The model that ran last is in memory; of others that is not known.
    private volatile string? _resident;

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        [Task.Run(() => AnnounceAsync(stoppingToken), CancellationToken.None),
            .. Enumerable.Range(0, service.Value.Workers).Select(_ => Task.Run(() => WorkAsync(stoppingToken), CancellationToken.None))]);

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken).ConfigureAwait(false);
        // So that no job is given to who is not there. Where that is not heard, the job waits until the queue finds out.
        await Task.WhenAll(models.Names.Select(name => grains.GetGrain<IModelQueueGrain>(name).LeaveAsync(_name)))
            .WaitAsync(LastCalls, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task AnnounceAsync(CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(RegistryGrain.AnnouncementInterval, time);
        try
        {
            do
            {
                var info = new WorkerInfo(
                    _name, models.Names, _resident is { } resident ? [resident] : [], cluster.Value.Cards.AsReadOnly(),
                    service.Value.Workers);
                await grains.GetGrain<IRegistryGrain>(IRegistryGrain.Key).AnnounceAsync(info).WaitAsync(stopping)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            while (await timer.WaitForNextTickAsync(stopping).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task WorkAsync(CancellationToken stopping)
    {
        var polls = new QueuePolls(grains, _name, models.Names, model => model == _resident);
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                if (await polls.NextAsync(stopping).ConfigureAwait(false) is var (model, entry))
                    await RunAsync(model, entry.Id, stopping).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                LogNoAnswer(exception);
                await Task.Delay(Pause, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task RunAsync(string model, string id, CancellationToken stopping)
    {
        var grain = grains.GetGrain<IVideoJobGrain>(id);
        var run = Guid.NewGuid().ToString("N");
        if (await ClusterCalls.RetryAsync(() => grain.BeginAsync(run), time, cluster.Value.Lease, stopping).ConfigureAwait(false)
            is not { } job)
            return;

        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        using var over = new CancellationTokenSource();
        var sender = new ProgressSender(grain, job.Attempts, time);
        _ = KeepAsync(grain, job.Attempts, cancel, over.Token);
        _ = sender.SendAsync(over.Token);
        var began = Stopwatch.GetTimestamp();
        VideoJob? ended = null;
        try
        {
            ended = await runner.RunToEndAsync(models.Generator(model), job, sender.Report, cancel.Token).ConfigureAwait(false);
            _resident = model;
            await sender.FlushAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            LogStopped(id, job.Attempts);
        }

        metrics.Ended(ended ?? job, Stopwatch.GetElapsedTime(began));
        try
        {
            await EndAsync(grain, job, ended, stopping).ConfigureAwait(false);
        }
        finally
        {
            await over.CancelAsync().ConfigureAwait(false);
        }
    }

    private async Task EndAsync(IVideoJobGrain grain, VideoJob job, VideoJob? ended, CancellationToken stopping)
    {
        if (ended is null)
        {
            await ClusterCalls.RetryAsync(ReleaseAsync, time, LastCalls, CancellationToken.None).ConfigureAwait(false);
            return;
        }

        // A result waits for the cluster as long as it takes, unless the process is to end.
        using var last = new CancellationTokenSource();
        await using var registration = stopping.Register(() => last.CancelAfter(LastCalls)).ConfigureAwait(false);
        var publication = await ClusterCalls.RetryAsync(() => grain.EndAsync(ended), time, patience: null, last.Token)
            .ConfigureAwait(false);
        if (publication != Publication.Accepted)
            LogDropped(job.Id, job.Attempts, publication);

        if (publication == Publication.Gone)
            await files.DeleteAsync(job.Id, CancellationToken.None).ConfigureAwait(false);
        else if (publication == Publication.Superseded)
            await files.DeleteRunsAsync(job.Id, job.Attempts + 1, CancellationToken.None).ConfigureAwait(false);

        async Task<bool> ReleaseAsync()
        {
            await grain.ReleaseAsync(job.Attempts).ConfigureAwait(false);
            return true;
        }
    }

    /// <summary>Keeps the lease until the run is over; stops a run that is not the job's any more.</summary>
    private async Task KeepAsync(IVideoJobGrain grain, int attempt, CancellationTokenSource cancel, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            try
            {
                if (await grain.KeepAsync(attempt).WaitAsync(over).ConfigureAwait(false))
                    continue;

                if (!over.IsCancellationRequested)
                    await cancel.CancelAsync().ConfigureAwait(false);

                return;
            }
            catch (Exception) when (!over.IsCancellationRequested)
            {
                await Task.Delay(Pause, time, over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception)
            {
                return;
            }
        }
    }

    [LoggerMessage(LogLevel.Warning, "The cluster does not answer.")]
    private partial void LogNoAnswer(Exception exception);

    [LoggerMessage(LogLevel.Information, "Run {Attempt} of the job {Id} was stopped.")]
    private partial void LogStopped(string id, int attempt);

    [LoggerMessage(LogLevel.Warning, "The result of run {Attempt} of the job {Id} was dropped: {Publication}.")]
    private partial void LogDropped(string id, int attempt, Publication publication);
}
