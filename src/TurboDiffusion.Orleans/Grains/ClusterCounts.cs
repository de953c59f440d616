using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.AspNetCore.Telemetry;

namespace TurboDiffusion.Orleans.Grains;

/// <summary>How many jobs wait and run, by the queues of this process.</summary>
internal sealed class ClusterCounts
{
    private readonly ConcurrentDictionary<string, (int Waiting, int Running)> _queues = new(StringComparer.Ordinal);

    public ClusterCounts(JobMetrics metrics) => metrics.Count(status => _queues.Select(queue => new Measurement<int>(
        status == VideoJobStatus.Queued ? queue.Value.Waiting : queue.Value.Running,
        new KeyValuePair<string, object?>("gen_ai.request.model", queue.Key))));

    /// <summary>Takes the state of a queue in.</summary>
    public void Set(string model, int waiting, int running) => _queues[model] = (waiting, running);

    /// <summary>Forgets a queue, which is elsewhere now.</summary>
    public void Remove(string model) => _queues.TryRemove(model, out _);
}
