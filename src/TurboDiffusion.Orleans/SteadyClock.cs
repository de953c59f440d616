namespace TurboDiffusion.Orleans;

/// <summary>
/// The time of day, but one that never goes back: Orleans puts no new grain into memory while its time is before that at which it has last
/// looked for idle ones. Where the system's time is set back, this one runs at half speed until that one has caught up.
/// </summary>
/// <param name="system">The clock that somebody sets.</param>
internal sealed class SteadyClock(TimeProvider system) : TimeProvider
{
    private readonly Lock _lock = new();
    private DateTimeOffset _last = system.GetUtcNow();
    private long _read = system.GetTimestamp();

    /// <inheritdoc/>
    public override long TimestampFrequency => system.TimestampFrequency;

    /// <inheritdoc/>
    public override TimeZoneInfo LocalTimeZone => system.LocalTimeZone;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow()
    {
        lock (_lock)
        {
            var (now, read) = (system.GetUtcNow(), system.GetTimestamp());
            _last = now >= _last ? now : _last + system.GetElapsedTime(_read, read) / 2;
            _read = read;
            return _last;
        }
    }

    /// <inheritdoc/>
    public override long GetTimestamp() => system.GetTimestamp();

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        system.CreateTimer(callback, state, dueTime, period);
}
