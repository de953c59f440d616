namespace TurboDiffusion.Sampling;

/// <summary>How far a denoising loop has come.</summary>
/// <param name="Step">Steps finished, from 0 (about to begin) to <paramref name="TotalSteps"/>.</param>
/// <param name="TotalSteps">Steps in all.</param>
/// <param name="Elapsed">Time since the loop began.</param>
public readonly record struct DenoisingProgress(int Step, int TotalSteps, TimeSpan Elapsed)
{
    /// <summary>Time left, if the remaining steps take as long as the finished ones; null before the first is finished.</summary>
    public TimeSpan? Remaining => Step == 0 ? null : Elapsed / Step * (TotalSteps - Step);
}
