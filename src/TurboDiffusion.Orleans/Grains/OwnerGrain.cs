using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Concurrency;
using Orleans.Storage;
using TurboDiffusion.AspNetCore;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.Orleans.Placement;
using TurboDiffusion.Orleans.Storage;

namespace TurboDiffusion.Orleans.Grains;

/// <summary>See <see cref="IOwnerGrain"/>.</summary>
[Reentrant]
[FrontEndsFirst]
internal sealed partial class OwnerGrain(
    [FromKeyedServices(VideoCluster.Storage)] IGrainStorage storage,
    IOptions<VideoServiceOptions> options,
    TimeProvider time,
    ILogger<OwnerGrain> logger) : Grain, IOwnerGrain, IRemindable
{
    private const string Sweep = "sweep";
    private static readonly TimeSpan SweepInterval = TimeSpan.FromMinutes(10);

    private readonly Dictionary<string, long> _numbers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _keys = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Task> _submitting = new(StringComparer.Ordinal);
    private readonly SortedDictionary<long, OwnerEntry> _entries = [];
    private GrainLog<OwnerEntry> _log = null!;
    private long _bytes;
    private int _open;
    private bool _isSwept;
    private bool _isSweeping;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _log = new GrainLog<OwnerEntry>(storage, this.GetGrainId(), "jobs");
        await _log.LoadAsync();
        foreach (var (number, entry) in _log.Items)
            Know(number, entry);
    }

    public async Task<SubmissionResult> SubmitAsync(VideoJob job)
    {
        if (_open >= options.Value.MaxJobsPerKey)
            await CountAgainAsync();

        while (Earlier(job) is { } earlier)
        {
            if (_submitting.TryGetValue(earlier, out var first))
                await Task.WhenAny(first);

            if (await Job(earlier).FindAsync() is { } accepted)
            {
                // A process may have died between storing and queueing it.
                if (accepted.Status == VideoJobStatus.Queued)
                    await Queue(accepted).EnqueueAsync(new QueueEntry(accepted.Id, accepted.Owner), int.MaxValue);

                return new SubmissionResult(accepted);
            }

            // Listed, and never stored.
            Forget(earlier);
        }

        if (_open >= options.Value.MaxJobsPerKey)
            return new SubmissionResult(null, VideoJobRefusal.OwnerQueueFull);

        // No call comes in between: what is found above and what is added here are one turn.
        var accepting = AcceptAsync(job);
        _submitting[job.Id] = accepting;
        try
        {
            return await accepting;
        }
        finally
        {
            _submitting.Remove(job.Id);
        }
    }

    public Task<OwnerPage> ListAsync(int limit, string? after, bool ascending)
    {
        IEnumerable<KeyValuePair<long, OwnerEntry>> entries = ascending ? _entries : _entries.Reverse();
        if (after is not null)
        {
            var number = _numbers.GetValueOrDefault(after, ascending ? long.MaxValue : long.MinValue);
            entries = entries.Where(entry => ascending ? entry.Key > number : entry.Key < number);
        }

        string[] ids = [.. entries.Take(limit + 1).Select(entry => entry.Value.Id)];
        return Task.FromResult(new OwnerPage([.. ids.Take(limit)], ids.Length > limit));
    }

    public async Task EndedAsync(string id, DateTimeOffset expiresAt, long bytes)
    {
        if (!_numbers.TryGetValue(id, out var number) || _entries[number].ExpiresAt is not null)
            return;

        var entry = _entries[number] with { ExpiresAt = expiresAt, Bytes = bytes };
        Forget(number);
        Know(number, entry);
        _log.Set(number, entry);
        await SaveAsync();
        if (_bytes > options.Value.MaxStoredBytes)
            await SweepAsync();
    }

    public Task RemoveAsync(string id)
    {
        if (!_numbers.ContainsKey(id))
            return Task.CompletedTask;

        Forget(id);
        return SaveAsync();
    }

    public Task ReceiveReminder(string reminderName, TickStatus status) => SweepAsync();

    private async Task<SubmissionResult> AcceptAsync(VideoJob job)
    {
        var entry = new OwnerEntry(job.Id, job.IdempotencyKey);
        var number = _log.Add(entry);
        Know(number, entry);
        await SaveAsync();
        await Job(job.Id).CreateAsync(job);
        if (!await Queue(job).EnqueueAsync(new QueueEntry(job.Id, job.Owner), options.Value.MaxQueuedJobs))
        {
            await Job(job.Id).DeleteAsync();
            return new SubmissionResult(null, VideoJobRefusal.QueueFull);
        }

        await RemindAsync();
        return new SubmissionResult(job);
    }

    /// <summary>Has this grain called from time to time, even when its owner never comes again.</summary>
    private async Task RemindAsync()
    {
        if (_isSwept)
            return;

        _isSwept = true;
        try
        {
            await this.RegisterOrUpdateReminder(Sweep, SweepInterval, SweepInterval);
        }
        catch (Exception exception)
        {
            _isSwept = false;
            LogNoReminder(exception);
        }
    }

    /// <summary>Deletes ended jobs that have expired, and the oldest further ones until the files of the rest fit.</summary>
    private async Task SweepAsync()
    {
        if (_isSweeping)
            return;

        _isSweeping = true;
        try
        {
            await CountAgainAsync();
            foreach (var entry in _entries.Values.Where(entry => entry.ExpiresAt is not null).ToArray())
            {
                if (entry.ExpiresAt > time.GetUtcNow() && _bytes <= options.Value.MaxStoredBytes)
                    continue;

                if (!await Job(entry.Id).DeleteAsync())
                    await RemoveAsync(entry.Id);
            }
        }
        finally
        {
            _isSweeping = false;
        }
    }

    /// <summary>Asks the jobs that count as open: a process may have died before it told of their end.</summary>
    private async Task CountAgainAsync()
    {
        foreach (var entry in _entries.Values.Where(entry => entry.ExpiresAt is null && !_submitting.ContainsKey(entry.Id)).ToArray())
        {
            var job = await Job(entry.Id).FindAsync();
            if (job is null)
                await RemoveAsync(entry.Id);
            else if (job.HasEnded)
                await EndedAsync(job.Id, job.ExpiresAt!.Value, job.Video?.Bytes ?? 0);
        }
    }

    private string? Earlier(VideoJob job) => _numbers.ContainsKey(job.Id) ? job.Id
        : job.IdempotencyKey is { } key ? _keys.GetValueOrDefault(key) : null;

    private void Know(long number, OwnerEntry entry)
    {
        _entries[number] = entry;
        _numbers[entry.Id] = number;
        _bytes += entry.Bytes;
        _open += entry.ExpiresAt is null ? 1 : 0;
        if (entry.IdempotencyKey is { } key)
            _keys[key] = entry.Id;
    }

    private void Forget(string id)
    {
        if (!_numbers.TryGetValue(id, out var number))
            return;

        Forget(number);
        _log.Remove(number);
    }

    private void Forget(long number)
    {
        _entries.Remove(number, out var entry);
        _numbers.Remove(entry!.Id);
        _bytes -= entry.Bytes;
        _open -= entry.ExpiresAt is null ? 1 : 0;
        if (entry.IdempotencyKey is { } key)
            _keys.Remove(key);
    }

    private async Task SaveAsync()
    {
        try
        {
            await _log.SaveAsync();
        }
        catch
        {
            // The memory is ahead of the store: the next activation begins from what is stored.
            DeactivateOnIdle();
            throw;
        }
    }

    private IVideoJobGrain Job(string id) => GrainFactory.GetGrain<IVideoJobGrain>(id);

    private IModelQueueGrain Queue(VideoJob job) => GrainFactory.GetGrain<IModelQueueGrain>(job.Request.Model!);

    [LoggerMessage(LogLevel.Warning, "Old jobs are not deleted until the reminder can be set.")]
    private partial void LogNoReminder(Exception exception);
}
