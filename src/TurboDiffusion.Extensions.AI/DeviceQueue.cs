using System.Collections.Concurrent;
using System.Threading.RateLimiting;

namespace TurboDiffusion.Extensions.AI;

/// <summary>One generation at a time on each device of this process, in the order in which they were asked for.</summary>
internal static class DeviceQueue
{
    private static readonly ConcurrentDictionary<string, ConcurrencyLimiter> Queues = new(StringComparer.Ordinal);

    /// <summary>The queue of a device. Each generator bounds how many of its own requests wait here.</summary>
    public static RateLimiter Of(string device) => Queues.GetOrAdd(device, static _ => new ConcurrencyLimiter(new()
    {
        PermitLimit = 1,
        QueueLimit = int.MaxValue,
        QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
    }));
}
