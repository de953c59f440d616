namespace TurboDiffusion.Training.Losses;

/// <summary>A distribution of noise levels, as configuration files give it: log-normal, or a shifted uniform one.</summary>
public sealed record TimeOptions
{
    /// <summary>Log-normal: mean of ln σ. Set together with <see cref="StandardDeviation"/>.</summary>
    public double? Mean { get; init; }

    /// <summary>Log-normal: standard deviation of ln σ.</summary>
    public double? StandardDeviation { get; init; }

    /// <summary>Shifted uniform: the shift.</summary>
    public double? Shift { get; init; }

    /// <summary>Makes the distribution.</summary>
    /// <exception cref="InvalidRequestException">Not exactly one distribution is described, or a value is out of range.</exception>
    public ITimeDistribution Create() => (Mean, StandardDeviation, Shift) switch
    {
        ({ } mean, >= 0 and var deviation, null) => new LogNormalTimes(mean, deviation),
        (null, null, > 0 and var shift) => new ShiftedUniformTimes(shift),
        _ => throw new InvalidRequestException("times",
            $"The time distribution is mean {Mean}, standard deviation {StandardDeviation}, shift {Shift}; give either a mean and a "
                + "standard deviation (log-normal) or a positive shift (uniform)."),
    };

    /// <summary>A log-normal distribution.</summary>
    internal static TimeOptions LogNormal(double mean, double deviation) => new() { Mean = mean, StandardDeviation = deviation };

    /// <summary>A shifted uniform distribution.</summary>
    internal static TimeOptions Uniform(double shift) => new() { Shift = shift };
}
