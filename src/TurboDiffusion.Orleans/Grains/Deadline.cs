namespace TurboDiffusion.Orleans.Grains;

/// <summary>
/// A moment by the clock of this process that nobody sets: not by the time of day, which jumps, and of which every machine has its own.
/// It is never stored nor sent; what is left of it may be.
/// </summary>
internal readonly struct Deadline
{
    private readonly TimeProvider? _time;
    private readonly long _from;
    private readonly TimeSpan _after;

    /// <summary>Sets it.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="after">How long from now.</param>
    public Deadline(TimeProvider time, TimeSpan after) => (_time, _from, _after) = (time, time.GetTimestamp(), after);

    /// <summary>How long until then; of one that was never set, nothing.</summary>
    public TimeSpan Left => _time is null ? TimeSpan.Zero : _after - _time.GetElapsedTime(_from);

    /// <summary>Whether it is over, or was never set.</summary>
    public bool HasPassed => Left <= TimeSpan.Zero;
}
