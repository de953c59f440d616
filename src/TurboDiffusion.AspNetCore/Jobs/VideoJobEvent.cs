namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>Something that a watcher of a job is told.</summary>
/// <param name="Job">The job as it is now, with its progress.</param>
/// <param name="Preview">A small picture (WebP) of what is being generated, or <see langword="null"/>.</param>
public sealed record VideoJobEvent(VideoJob Job, ReadOnlyMemory<byte>? Preview = null);
