namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>How long jobs take, from those that ended lately.</summary>
internal sealed class JobDurations
{
    private static readonly TimeSpan Unknown = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Most = TimeSpan.FromMinutes(10);

    private const double WeightOfNew = 0.2;

    private readonly Lock _lock = new();
    private TimeSpan? _typical;

    /// <summary>About when a place in a full queue comes free: after one job, at least 1 second and at most 10 minutes.</summary>
    public TimeSpan Typical
    {
        get
        {
            lock (_lock)
                return (_typical ?? Unknown) is var typical && typical < Least ? Least : typical > Most ? Most : typical;
        }
    }

    /// <summary>Takes the time of a finished job in. One between two machines, or clocks that were set, may be anything.</summary>
    public void Add(TimeSpan duration)
    {
        duration = duration < TimeSpan.Zero ? TimeSpan.Zero : duration > Most ? Most : duration;
        lock (_lock)
            _typical = _typical is { } typical ? typical + WeightOfNew * (duration - typical) : duration;
    }
}
