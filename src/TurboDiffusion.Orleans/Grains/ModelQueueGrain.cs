using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Concurrency;
using Orleans.Storage;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.Orleans.Placement;
using TurboDiffusion.Orleans.Storage;

namespace TurboDiffusion.Orleans.Grains;

/// <summary>See <see cref="IModelQueueGrain"/>.</summary>
[Reentrant]
[FrontEndsFirst]
internal sealed partial class ModelQueueGrain(
    [FromKeyedServices(VideoCluster.Storage)] IGrainStorage storage,
    IOptions<VideoClusterOptions> options,
    ClusterCounts counts,
    LongPoll polling,
    TimeProvider time,
    ILogger<ModelQueueGrain> logger) : Grain, IModelQueueGrain
{
    private const int ChecksAtOnce = 32;

    // How long a worker asks before it asks again, and has to begin what it was given.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(1);

    // After that, workers that had the model in memory count as gone.
    private static readonly TimeSpan ResidentMemory = TimeSpan.FromMinutes(10);

    private readonly FairQueue _queue = new();
    private readonly HashSet<string> _adding = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Deadline> _taken = new(StringComparer.Ordinal);
    private readonly LinkedList<Poll> _polls = [];
    private readonly JobDurations _durations = new();
    private GrainLog<QueueEntry> _log = null!;
    private readonly Dictionary<string, Deadline> _affinity = new(StringComparer.Ordinal);
    private Deadline _resident;
    private bool _isUnsaved;
    private bool _isChecking;
    private bool _hasFailed;

    private string Model => this.GetPrimaryKeyString();

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _log = new GrainLog<QueueEntry>(storage, this.GetGrainId(), "queue");
        await _log.LoadAsync();
        foreach (var (number, entry) in _log.Items)
            Add(number, entry);

        this.RegisterGrainTimer(
            WatchOverAsync, new GrainTimerCreationOptions(CheckInterval, CheckInterval) { Interleave = true, KeepAlive = true });
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        counts.Remove(Model);
        return _isUnsaved && !_hasFailed ? SaveAsync() : Task.CompletedTask;
    }

    public async Task<bool> EnqueueAsync(QueueEntry entry, int maxWaiting)
    {
        if (_queue.Contains(entry.Id))
            return true;

        if (!_adding.Add(entry.Id))
        {
            // Asked twice: it is stored when this save has ended.
            await SaveAsync();
            return true;
        }

        try
        {
            if (_queue.Waiting + _adding.Count > maxWaiting)
                return false;

            var number = _log.Add(entry);
            await SaveAsync();
            Add(number, entry);
        }
        finally
        {
            _adding.Remove(entry.Id);
        }

        Deal();
        return true;
    }

    public async Task<QueueEntry?> TakeAsync(string worker, bool isResident)
    {
        if (_hasFailed)
            return null;

        if (isResident)
            _resident = new Deadline(time, ResidentMemory);

        var poll = new Poll(worker, isResident);
        var node = _polls.AddLast(poll);
        Deal();
        await polling.WaitAsync(poll.Answer.Task, Patience);
        // Deal takes it out of the list when it answers.
        if (node.List is not null)
            _polls.Remove(node);

        return poll.Answer.TrySetResult(null) ? null : await poll.Answer.Task;
    }

    public Task LeaveAsync(string worker)
    {
        foreach (var poll in _polls.Where(poll => poll.Worker == worker).ToArray())
        {
            _polls.Remove(poll);
            poll.Answer.TrySetResult(null);
        }

        return Task.CompletedTask;
    }

    public Task ReturnAsync(string id)
    {
        _taken.Remove(id);
        _queue.Return(id);
        Deal();
        return Task.CompletedTask;
    }

    public Task RemoveAsync(string id, TimeSpan? duration)
    {
        if (duration is { } lasted)
            _durations.Add(lasted);

        Remove(id);
        return Task.CompletedTask;
    }

    public async Task<int?> PositionAsync(QueueEntry entry)
    {
        if (!_queue.Contains(entry.Id))
            await EnqueueAsync(entry, int.MaxValue);

        return _queue.Position(entry.Id);
    }

    public Task<TimeSpan> TypicalDurationAsync() => Task.FromResult(_durations.Typical);

    /// <summary>Gives jobs to the workers that ask, those first that have the model in memory.</summary>
    private void Deal()
    {
        while (_polls.Count > 0 && _queue.Peek() is { } next)
        {
            var poll = _polls.FirstOrDefault(poll => poll.IsResident) ?? (MayLoad(next) ? _polls.First() : null);
            if (poll is null)
                return;

            _polls.Remove(poll);
            var entry = _queue.Take()!;
            // Until then it must have begun; the job says so when it is asked.
            _taken[entry.Id] = new Deadline(time, Patience);
            poll.Answer.TrySetResult(entry);
        }
    }

    /// <summary>Whether a worker may load the model for a job: none has it, or the job has waited long enough for one that has.</summary>
    private bool MayLoad(QueueEntry entry) => _resident.HasPassed || _affinity[entry.Id].HasPassed;

    private void Add(long number, QueueEntry entry)
    {
        _queue.Add(number, entry);
        _affinity[entry.Id] = new Deadline(time, options.Value.Affinity);
    }

    private void Remove(string id)
    {
        _taken.Remove(id);
        _affinity.Remove(id);
        if (_queue.Remove(id) is { } number)
        {
            // Stored with the next save: an entry whose job has ended is found out when it is taken.
            _log.Remove(number);
            _isUnsaved = true;
        }
    }

    private async Task WatchOverAsync()
    {
        counts.Set(Model, _queue.Waiting, _queue.Running);
        Deal();
        if (_isChecking || _hasFailed)
            return;

        _isChecking = true;
        try
        {
            foreach (var due in _taken.Where(taken => taken.Value.HasPassed).Select(taken => taken.Key).ToArray().Chunk(ChecksAtOnce))
                await Task.WhenAll(due.Select(CheckAsync));

            if (_isUnsaved)
                await SaveAsync();
        }
        catch (Exception exception)
        {
            // The store does not answer. What was taken is asked about again, by this activation or the next.
            LogNotStored(Model, exception);
        }
        finally
        {
            _isChecking = false;
        }
    }

    /// <summary>Asks a job that was taken how it stands.</summary>
    private async Task CheckAsync(string id)
    {
        JobStanding standing;
        try
        {
            standing = await GrainFactory.GetGrain<IVideoJobGrain>(id).StandingAsync();
        }
        catch (Exception exception)
        {
            LogNoAnswer(id, exception);
            return;
        }

        if (standing.AskAgainAfter is { } after)
        {
            if (_taken.ContainsKey(id))
                _taken[id] = new Deadline(time, after);
        }
        else if (standing.Waits)
        {
            LogReturned(id);
            await ReturnAsync(id);
        }
        else
        {
            Remove(id);
        }
    }

    private async Task SaveAsync()
    {
        _isUnsaved = false;
        try
        {
            await _log.SaveAsync();
        }
        catch
        {
            // The memory is ahead of the store: the next activation begins from what is stored. Nobody waits for this one.
            _hasFailed = true;
            foreach (var poll in _polls)
                poll.Answer.TrySetResult(null);

            _polls.Clear();
            DeactivateOnIdle();
            throw;
        }
    }

    [LoggerMessage(LogLevel.Warning, "Nobody runs the job {Id} that was taken; it waits again.")]
    private partial void LogReturned(string id);

    [LoggerMessage(LogLevel.Warning, "The job {Id} does not answer.")]
    private partial void LogNoAnswer(string id, Exception exception);

    [LoggerMessage(LogLevel.Warning, "The queue of {Model} could not be stored.")]
    private partial void LogNotStored(string model, Exception exception);

    private sealed record Poll(string Worker, bool IsResident)
    {
        public TaskCompletionSource<QueueEntry?> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
