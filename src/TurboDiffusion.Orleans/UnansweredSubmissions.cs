using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.Orleans.Grains;

namespace TurboDiffusion.Orleans;

/// <summary>
/// Images are stored before their job is. Where no answer came to a submission, its job may be there or still come: it is asked when no
/// call can be under way any more, and if there is none its files go. A front end asks so, too, of the images without a result that it
/// finds at its start, for submissions whose process died. Results stay, even where the jobs are lost with their Redis.
/// </summary>
internal sealed partial class UnansweredSubmissions(
    IGrainFactory grains,
    IVideoFileStore files,
    IOptions<SiloMessagingOptions> messaging,
    IOptions<VideoClusterOptions> cluster,
    TimeProvider time,
    ILogger<UnansweredSubmissions> logger) : BackgroundService
{
    // Between two looks at the start, which is in no hurry.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private readonly Channel<(string Id, Deadline Due)> _unanswered = Channel.CreateUnbounded<(string, Deadline)>();

    // A submission is tried for the time of one call, the last try arrives within that of another, and stores its job within a third.
    private TimeSpan NothingCanCome => 3 * messaging.Value.ResponseTimeout;

    /// <summary>Has a job asked about, later, of which nobody knows whether it is there.</summary>
    public void Add(string id) => _unanswered.Writer.TryWrite((id, new Deadline(time, NothingCanCome)));

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        AskAsync(stoppingToken), cluster.Value.Role == VideoClusterRole.Worker ? Task.CompletedTask : AskAllAsync(stoppingToken));

    private async Task AskAsync(CancellationToken stopping)
    {
        try
        {
            await foreach (var (id, due) in _unanswered.Reader.ReadAllAsync(stopping).ConfigureAwait(false))
            {
                if (due.Left is { Ticks: > 0 } left)
                    await Task.Delay(left, time, stopping).ConfigureAwait(false);

                await AskAsync(id).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The next start finds them.
        }
    }

    private async Task AskAllAsync(CancellationToken stopping)
    {
        try
        {
            var found = await files.ListJobsAsync(stopping).ConfigureAwait(false);
            await Task.Delay(NothingCanCome, time, stopping).ConfigureAwait(false);
            foreach (var id in found)
            {
                if ((await files.ListAsync(id, stopping).ConfigureAwait(false)).All(name => VideoFileNames.RunOf(name) is null))
                    await AskAsync(id).ConfigureAwait(false);

                await Task.Delay(Pause, time, stopping).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
        catch (Exception exception)
        {
            LogNotListed(exception);
        }
    }

    private async Task AskAsync(string id)
    {
        try
        {
            if (await grains.GetGrain<IVideoJobGrain>(id).ClearAsync().ConfigureAwait(false))
                LogCleared(id);
        }
        catch (Exception exception)
        {
            // The cluster or the store of files does not answer: later.
            LogNoAnswer(id, exception);
            Add(id);
        }
    }

    [LoggerMessage(LogLevel.Information, "There is no job {Id}; what was stored for it is deleted.")]
    private partial void LogCleared(string id);

    [LoggerMessage(LogLevel.Warning, "Whether there is a job {Id} is not known yet.")]
    private partial void LogNoAnswer(string id, Exception exception);

    [LoggerMessage(LogLevel.Warning, "The files of submissions whose process died stay until the next start.")]
    private partial void LogNotListed(Exception exception);
}
