namespace TurboDiffusion.Sampling;

/// <summary>The noise levels of rectified-flow samplers: evenly spaced, then shifted towards the noisy end.</summary>
public static class FlowSchedule
{
    /// <summary>The most steps that can be asked for: the training times of the models.</summary>
    public const int MaxSteps = 1000;

    /// <summary>Shifts a noise level: s·t / (1 + (s − 1)·t).</summary>
    /// <param name="t">The level, in [0, 1].</param>
    /// <param name="shift">s; 1 changes nothing.</param>
    public static double Shift(double t, double shift) => shift * t / (1 + (shift - 1) * t);

    /// <summary>Levels from shifted <paramref name="sigmaMax"/> down to 0.</summary>
    /// <param name="steps">How many steps; one more level is returned, the last being 0.</param>
    /// <param name="shift">See <see cref="Shift"/>.</param>
    /// <param name="sigmaMax">The first level before the shift, in (0, 1].</param>
    /// <exception cref="InvalidRequestException">A value is out of range.</exception>
    public static double[] Levels(int steps, double shift, double sigmaMax)
    {
        if (steps is < 1 or > MaxSteps)
            throw new InvalidRequestException("steps", $"This sampler takes 1 to {MaxSteps} steps; {steps} were asked for.");
        if (!double.IsFinite(shift) || shift <= 0)
            throw new InvalidRequestException("shift",
                $"The schedule's shift is {shift}; it must be a positive number; 1 leaves the steps even.");
        if (!(sigmaMax > 0 && sigmaMax <= 1))
            throw new InvalidRequestException("sigmaMax", $"The first noise level is {sigmaMax}; it must be above 0 and at most 1.");
        return [.. Enumerable.Range(0, steps + 1).Select(i => Shift(sigmaMax * (steps - i) / steps, shift))];
    }
}
