using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>The files of a finished job.</summary>
/// <param name="File">The name of the video among the job's files.</param>
/// <param name="Bytes">Bytes of all files of the job.</param>
/// <param name="Info">Size, frames and seed, where the generator tells them.</param>
/// <param name="Thumbnail">
/// The name of one picture of the video among the files; <see langword="null"/> where the generator gives no previews.
/// </param>
/// <param name="Spritesheet">That of several pictures side by side.</param>
public sealed record StoredVideo(string File, long Bytes, VideoInfo? Info, string? Thumbnail = null, string? Spritesheet = null);
