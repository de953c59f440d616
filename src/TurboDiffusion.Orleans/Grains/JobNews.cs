using TurboDiffusion.AspNetCore.Jobs;

namespace TurboDiffusion.Orleans.Grains;

/// <summary>How a job stands.</summary>
/// <param name="Version">Changes whenever anything does.</param>
/// <param name="Job">The job with its progress; <see langword="null"/> where there is none.</param>
/// <param name="Previews">
/// The pictures (WebP) of the run that are newer than the version that was asked with; for a first question the last one.
/// </param>
/// <param name="Progress">How far the run had come when it ended, or has come.</param>
internal sealed record JobNews(long Version, VideoJob? Job, IReadOnlyList<byte[]> Previews, VideoJobProgress? Progress);
