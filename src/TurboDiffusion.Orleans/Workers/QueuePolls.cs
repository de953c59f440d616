using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.Orleans.Grains;

namespace TurboDiffusion.Orleans.Workers;

/// <summary>Asks the queues of a worker's models for a job, all at once.</summary>
internal sealed class QueuePolls(IGrainFactory grains, string worker, IReadOnlyList<string> models, Func<string, bool> isResident)
{
    private readonly Dictionary<string, Task<QueueEntry?>> _polls = new(StringComparer.Ordinal);

    /// <summary>Waits for a job, or for a while.</summary>
    public async Task<(string Model, QueueEntry Entry)?> NextAsync(CancellationToken cancellationToken)
    {
        foreach (var model in models.Where(model => !_polls.ContainsKey(model)))
            _polls[model] = Queue(model).TakeAsync(worker, isResident(model));

        await Task.WhenAny(_polls.Values).WaitAsync(cancellationToken).ConfigureAwait(false);
        var (first, poll) = _polls.Where(poll => poll.Value.IsCompleted).OrderByDescending(poll => isResident(poll.Key)).First();
        _polls.Remove(first);
        if (await poll.ConfigureAwait(false) is not { } entry)
            return null;

        // A worker that is busy takes nothing; what the other queues give it nevertheless goes back.
        foreach (var (model, late) in _polls)
            _ = GiveBackAsync(model, late);

        _polls.Clear();
        return (first, entry);
    }

    private async Task GiveBackAsync(string model, Task<QueueEntry?> poll)
    {
        try
        {
            if (await poll.ConfigureAwait(false) is { } entry)
                await Queue(model).ReturnAsync(entry.Id).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The queue finds out by itself that nobody runs the job.
        }
    }

    private IModelQueueGrain Queue(string model) => grains.GetGrain<IModelQueueGrain>(model);
}
