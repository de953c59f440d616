using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>The files of a finished job.</summary>
/// <param name="File">The name of the video among the job's files.</param>
/// <param name="Bytes">Bytes of all files of the job.</param>
/// <param name="Info">Size, frames and seed, where the generator tells them.</param>
/// <param name="HasPictures">
/// Whether there are a <see cref="Files.VideoFileNames.Thumbnail"/> and a <see cref="Files.VideoFileNames.Spritesheet"/>: not
/// of a generator that gives no previews.
/// </param>
public sealed record StoredVideo(string File, long Bytes, VideoInfo? Info, bool HasPictures);
