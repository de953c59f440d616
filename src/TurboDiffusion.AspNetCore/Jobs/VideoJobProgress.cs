namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>How far a job has come.</summary>
/// <param name="Percent">Of the whole generation, 0 to 100.</param>
/// <param name="Stage">What is being done, such as <c>denoising</c>; <see langword="null"/> while it waits.</param>
/// <param name="Step">Steps of the stage that are done.</param>
/// <param name="TotalSteps">Steps that the stage has.</param>
/// <param name="SecondsLeft">Estimated seconds to the end.</param>
/// <param name="QueuePosition">While it waits: 1 for the job that is run next.</param>
public sealed record VideoJobProgress(
    int Percent,
    string? Stage = null,
    int? Step = null,
    int? TotalSteps = null,
    double? SecondsLeft = null,
    int? QueuePosition = null);
