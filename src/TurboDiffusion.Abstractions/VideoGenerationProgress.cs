namespace TurboDiffusion.Extensions.AI;

/// <summary>Where a generation stands.</summary>
/// <param name="Stage">What is being done, such as <c>denoise</c>; <see langword="null"/> while queued.</param>
/// <param name="Step">Steps of the stage that are done, from 0.</param>
/// <param name="TotalSteps">Steps that the stage has.</param>
/// <param name="Elapsed">Time since the generation started.</param>
/// <param name="Remaining">Estimated time to the end of the generation.</param>
/// <param name="QueuePosition">While queued: 1 for the request that is served next.</param>
public readonly record struct VideoGenerationProgress(
    string? Stage,
    int? Step = null,
    int? TotalSteps = null,
    TimeSpan? Elapsed = null,
    TimeSpan? Remaining = null,
    int? QueuePosition = null)
{
    /// <summary>How much of the stage is done, 0 to 100; <see langword="null"/> where the number of steps is unknown.</summary>
    public int? PercentComplete => TotalSteps > 0 ? (int)Math.Clamp(100L * (Step ?? 0) / TotalSteps.Value, 0, 100) : null;
}
