using System.Threading.Channels;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>What is known of jobs in this process alone: how far they have come, who watches, and how they are cancelled.</summary>
internal sealed class LiveJobs
{
    // Progress that a slow watcher has not read yet; the oldest is dropped.
    private const int Backlog = 16;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Run> _runs = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<Channel<VideoJobEvent>>> _watchers = new(StringComparer.Ordinal);

    // One signal is enough, however many jobs came while nobody waited: who is awake takes until none is left.
    private readonly Channel<bool> _work =
        Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>How many watch now, for tests.</summary>
    internal int Watchers
    {
        get
        {
            lock (_lock)
                return _watchers.Values.Sum(watchers => watchers.Count);
        }
    }

    /// <summary>Says that a job waits.</summary>
    public void Wake() => _work.Writer.TryWrite(true);

    /// <summary>Waits until a job waits.</summary>
    public async Task WaitForWorkAsync(CancellationToken cancellationToken) =>
        await _work.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);

    /// <summary>Begins a run.</summary>
    /// <param name="job">The job.</param>
    /// <param name="stopping">Cancelled when the process is to end.</param>
    /// <returns>Cancelled when the run is to end.</returns>
    public CancellationToken Begin(VideoJob job, CancellationToken stopping)
    {
        var run = new Run(CancellationTokenSource.CreateLinkedTokenSource(stopping), job with { Progress = new VideoJobProgress(0) });
        lock (_lock)
            _runs[job.Id] = run;

        Report(job.Id, run.Job.Progress!, preview: null);
        return run.Cancellation.Token;
    }

    /// <summary>Tells the watchers how far a run has come.</summary>
    public void Report(string id, VideoJobProgress progress, ReadOnlyMemory<byte>? preview)
    {
        lock (_lock)
        {
            if (!_runs.TryGetValue(id, out var run))
                return;

            run.Job = run.Job with { Progress = progress };
            run.Preview = preview ?? run.Preview;
            foreach (var watcher in _watchers.GetValueOrDefault(id, []))
                watcher.Writer.TryWrite(new VideoJobEvent(run.Job, preview));
        }
    }

    /// <summary>Ends a run; its watchers look up what became of it.</summary>
    public void End(string id)
    {
        lock (_lock)
        {
            if (_runs.Remove(id, out var run))
                run.Cancellation.Dispose();
        }

        Notify(id);
    }

    /// <summary>Cancels a run, if there is one.</summary>
    public void Cancel(string id)
    {
        lock (_lock)
        {
            if (_runs.TryGetValue(id, out var run))
                run.Cancellation.CancelAsync();
        }

        Notify(id);
    }

    /// <summary>How far a run has come, and what it last showed.</summary>
    public (VideoJobProgress? Progress, ReadOnlyMemory<byte>? Preview) Now(string id)
    {
        lock (_lock)
            return _runs.TryGetValue(id, out var run) ? (run.Job.Progress, run.Preview) : (null, null);
    }

    /// <summary>Begins to watch a job.</summary>
    /// <returns>Progress as it comes; it ends when the job is to be looked up again.</returns>
    public ChannelReader<VideoJobEvent> Watch(string id)
    {
        var channel = Channel.CreateBounded<VideoJobEvent>(
            new BoundedChannelOptions(Backlog) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
        lock (_lock)
        {
            if (!_watchers.TryGetValue(id, out var watchers))
                _watchers[id] = watchers = [];

            watchers.Add(channel);
        }

        return channel.Reader;
    }

    /// <summary>Ends the watching.</summary>
    public void Unwatch(string id, ChannelReader<VideoJobEvent> reader)
    {
        lock (_lock)
        {
            if (_watchers.TryGetValue(id, out var watchers) && watchers.RemoveAll(watcher => watcher.Reader == reader) > 0
                && watchers.Count == 0)
                _watchers.Remove(id);
        }
    }

    private void Notify(string id)
    {
        lock (_lock)
        {
            if (_watchers.Remove(id, out var watchers))
                watchers.ForEach(watcher => watcher.Writer.TryComplete());
        }
    }

    private sealed class Run(CancellationTokenSource cancellation, VideoJob job)
    {
        public CancellationTokenSource Cancellation { get; } = cancellation;

        public VideoJob Job { get; set; } = job;

        public ReadOnlyMemory<byte>? Preview { get; set; }
    }
}
