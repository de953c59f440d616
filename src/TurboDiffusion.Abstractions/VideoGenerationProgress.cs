namespace TurboDiffusion.Extensions.AI;

/// <summary>Where a generation stands: its stage, and the whole of it.</summary>
/// <param name="Stage">What is being done, such as <c>denoising</c>; <see langword="null"/> while queued.</param>
/// <param name="Step">Steps of the stage that are done, from 0.</param>
/// <param name="TotalSteps">Steps that the stage has.</param>
/// <param name="PercentComplete">
/// How much of the whole generation is done, 0 to 100, all its stages and videos together; <see langword="null"/> while queued or where it
/// is not known. It never falls.
/// </param>
/// <param name="Elapsed">Time since the generation started; waiting in a queue does not count.</param>
/// <param name="Remaining">Estimated time to the end of the generation; <see langword="null"/> until it can be told.</param>
/// <param name="QueuePosition">While queued: 1 for the request that is served next.</param>
public readonly record struct VideoGenerationProgress(
    string? Stage,
    int? Step = null,
    int? TotalSteps = null,
    int? PercentComplete = null,
    TimeSpan? Elapsed = null,
    TimeSpan? Remaining = null,
    int? QueuePosition = null);
