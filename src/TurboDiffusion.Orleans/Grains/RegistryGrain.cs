using Microsoft.Extensions.Logging;
using TurboDiffusion.Orleans.Placement;

namespace TurboDiffusion.Orleans.Grains;

/// <summary>See <see cref="IRegistryGrain"/>.</summary>
[FrontEndsFirst]
internal sealed partial class RegistryGrain(
    [PersistentState("models", VideoCluster.Storage)] IPersistentState<RegistryState> store, TimeProvider time,
    ILogger<RegistryGrain> logger) : Grain, IRegistryGrain
{
    /// <summary>How often workers announce themselves.</summary>
    public static readonly TimeSpan AnnouncementInterval = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan WorkerMemory = 4 * AnnouncementInterval;
    private static readonly TimeSpan ModelMemory = TimeSpan.FromDays(1);

    // When a model was seen is stored only so often.
    private static readonly TimeSpan Precision = TimeSpan.FromHours(1);

    private readonly Dictionary<string, (WorkerInfo Worker, Deadline Memory)> _workers = new(StringComparer.Ordinal);

    public async Task AnnounceAsync(WorkerInfo worker)
    {
        var now = time.GetUtcNow();
        if (!_workers.TryGetValue(worker.Name, out var earlier) || earlier.Memory.HasPassed)
            LogCame(worker.Name, worker.Models, worker.Cards, worker.Slots);
        _workers[worker.Name] = (worker, new Deadline(time, WorkerMemory));
        foreach (var name in _workers.Where(known => known.Value.Memory.HasPassed).Select(known => known.Key).ToArray())
        {
            _workers.Remove(name);
            LogWent(name);
        }

        var known = store.State.Models.Where(model => model.LastSeen > now - ModelMemory).ToDictionary(model => model.Name);
        if (worker.Models.All(name => known.TryGetValue(name, out var model) && model.LastSeen > now - Precision))
            return;

        var before = store.State;
        store.State = new RegistryState
        {
            Models = [.. known.Values.Select(model => worker.Models.Contains(model.Name) ? model with { LastSeen = now } : model),
                .. worker.Models.Where(name => !known.ContainsKey(name)).Select(name => new KnownModel(name, now))],
        };
        try
        {
            await store.WriteStateAsync();
        }
        catch
        {
            store.State = before;
            DeactivateOnIdle();
            throw;
        }
    }

    public Task<WorkerInfo[]> WorkersAsync() => Task.FromResult(Workers());

    public Task<string[]> ModelsAsync() => Task.FromResult<string[]>(
        [.. store.State.Models.Where(model => model.LastSeen > time.GetUtcNow() - ModelMemory).Select(model => model.Name)
            .Union(Workers().SelectMany(worker => worker.Models))]);

    [LoggerMessage(LogLevel.Information, "The worker {Name} is there: models {Models}; bytes of its cards {Cards}; {Slots} at once.")]
    private partial void LogCame(string name, IReadOnlyList<string> models, IReadOnlyDictionary<string, long> cards, int slots);

    [LoggerMessage(LogLevel.Information, "The worker {Name} is gone: it was not heard of for too long.")]
    private partial void LogWent(string name);

    private WorkerInfo[] Workers() => [.. _workers.Values.Where(known => !known.Memory.HasPassed).Select(known => known.Worker)];
}
