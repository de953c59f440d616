namespace TurboDiffusion.Training.Optimization;

/// <summary>The factor on the learning rate: a linear warm-up, then constant or a half cosine.</summary>
public sealed record LearningRateSchedule
{
    /// <summary>Updates over which the factor rises from near 0 to 1.</summary>
    public int WarmUp { get; init; }

    /// <summary>Updates after which a half cosine has brought the factor to <see cref="Floor"/>; 0: it stays at 1.</summary>
    public int DecayUpdates { get; init; }

    /// <summary>The factor that the decay ends at.</summary>
    public double Floor { get; init; }

    /// <summary>The factor of an update.</summary>
    /// <param name="update">Counted from 0.</param>
    public double Factor(int update)
    {
        if (update < WarmUp) return (update + 1.0) / WarmUp;
        if (DecayUpdates <= 0) return 1;
        double progress = Math.Clamp((double)(update - WarmUp) / Math.Max(1, DecayUpdates - WarmUp), 0, 1);
        return Floor + (1 - Floor) * (1 + Math.Cos(Math.PI * progress)) / 2;
    }
}
