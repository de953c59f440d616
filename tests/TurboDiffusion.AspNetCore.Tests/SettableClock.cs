namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>The machine's clock, whose time of day somebody sets.</summary>
internal sealed class SettableClock : TimeProvider
{
    private long _ahead;

    /// <summary>Sets it forward, or back.</summary>
    public void Jump(TimeSpan by) => Interlocked.Add(ref _ahead, by.Ticks);

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _ahead));
}
