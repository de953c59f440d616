using System.Threading.Channels;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.Orleans.Grains;

namespace TurboDiffusion.Orleans.Workers;

/// <summary>
/// Tells a job's grain how far its run has come, a few times a second: a generation does not wait for the network, and progress that
/// is not told yet is replaced by what is newer.
/// </summary>
internal sealed class ProgressSender(IVideoJobGrain job, int attempt, TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Channel<bool> _signal =
        Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private readonly Lock _lock = new();
    private readonly List<byte[]> _previews = [];
    private VideoJobProgress? _progress;

    /// <summary>Takes progress in.</summary>
    public void Report(VideoJobProgress progress, ReadOnlyMemory<byte>? preview)
    {
        lock (_lock)
        {
            _progress = progress;
            if (preview is { } picture)
                _previews.Add(picture.ToArray());
        }

        _signal.Writer.TryWrite(true);
    }

    /// <summary>Sends until it is cancelled.</summary>
    public async Task SendAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var _ in _signal.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                await FlushAsync().ConfigureAwait(false);
                await Task.Delay(Interval, time, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    /// <summary>Sends what has not been sent. What does not arrive is followed by what is newer.</summary>
    public async Task FlushAsync()
    {
        VideoJobProgress? progress;
        byte[][] previews;
        lock (_lock)
        {
            (progress, previews) = (_progress, [.. _previews]);
            _progress = null;
            _previews.Clear();
        }

        if (progress is not null)
        {
            await job.ReportAsync(attempt, progress, previews).WaitAsync(Patience, time)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
