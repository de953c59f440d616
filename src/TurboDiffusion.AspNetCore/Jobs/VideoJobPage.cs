namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>Some of an owner's jobs.</summary>
/// <param name="Jobs">The jobs, in the order that was asked for.</param>
/// <param name="HasMore">Whether there are further ones.</param>
public sealed record VideoJobPage(IReadOnlyList<VideoJob> Jobs, bool HasMore);
