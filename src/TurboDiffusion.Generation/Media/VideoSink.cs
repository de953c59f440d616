namespace TurboDiffusion.Generation.Media;

/// <summary>Opens video files for writing.</summary>
public static class VideoSink
{
    /// <summary>Checks all that can be checked before any work is done: the path, the options, ffmpeg and its encoders.</summary>
    /// <param name="path">The video; see <see cref="VideoTarget.Check"/>.</param>
    /// <param name="options">How it is to be written; <see cref="VideoOptions.Default"/> where null.</param>
    /// <exception cref="InvalidRequestException">The path or the options cannot be used.</exception>
    /// <exception cref="EnvironmentException">ffmpeg is missing, or lacks the encoder.</exception>
    public static void Check(string path, VideoOptions? options = null) => Prepare(path, options ?? VideoOptions.Default);

    /// <summary>
    /// Opens a video for writing. The file (or folder) appears under its name when it is complete; until then it is a
    /// hidden one beside it, which is deleted if the video is not completed.
    /// </summary>
    /// <param name="path">A name that ends in .mp4, .webm or .gif; or, for PNG frames, a folder (end the path in /).</param>
    /// <param name="format">The size and speed.</param>
    /// <param name="metadata">
    /// What is written into the file: the prompt as title and description, all of it as JSON as the comment. For PNG frames
    /// the JSON is a file beside them.
    /// </param>
    /// <param name="options">How it is to be written; <see cref="VideoOptions.Default"/> where null.</param>
    /// <param name="cancellationToken">Stops the encoder at once and leaves nothing behind.</param>
    /// <exception cref="InvalidRequestException">The path or the options cannot be used.</exception>
    /// <exception cref="EnvironmentException">ffmpeg is missing, or lacks the encoder.</exception>
    public static IFrameSink Open(
        string path, VideoFormat format, VideoMetadata metadata, VideoOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        options ??= VideoOptions.Default;
        (VideoTarget target, FFmpeg? ffmpeg) = Prepare(path, options);
        return ffmpeg is null
            ? new PngFolderSink(target, format, metadata, options, cancellationToken)
            : new FFmpegSink(ffmpeg, target, format, metadata, options, cancellationToken);
    }

    private static (VideoTarget Target, FFmpeg? FFmpeg) Prepare(string path, VideoOptions options)
    {
        VideoTarget target = VideoTarget.Check(path, options.Overwrite);
        int highestCrf = target.Container == VideoContainer.Mp4 ? 51 : 63;
        if (options.Crf is { } crf && (crf < 0 || crf > highestCrf))
            throw new InvalidRequestException("crf", $"The quality (CRF) is {crf}; {target.Container} takes 0 (best) to {highestCrf}.");
        if (options.Nvenc && target.Container != VideoContainer.Mp4)
            throw new InvalidRequestException("nvenc",
                $"NVENC writes MP4, and {path} is {target.Container}; leave it out, or name an .mp4.");
        if (target.Container == VideoContainer.PngFrames) return (target, null);
        FFmpeg ffmpeg = FFmpeg.Locate();
        if (options.Nvenc) ffmpeg.RequireNvenc();
        else ffmpeg.Require(target.Container);
        return (target, ffmpeg);
    }
}
