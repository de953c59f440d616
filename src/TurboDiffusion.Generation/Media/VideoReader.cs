using System.Globalization;
using Microsoft.Win32.SafeHandles;
using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Media;

/// <summary>Reads video files.</summary>
public static class VideoReader
{
    /// <summary>The endings of files that are looked for in folders of videos.</summary>
    public static IReadOnlyList<string> Endings { get; } = [".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif"];

    // Formats that hold the pictures themselves, by the names of ffmpeg's readers for these endings. A playlist (HLS, DASH, concat)
    // or a description of a filter holds the names of other files, and would have ffmpeg open them.
    private const string Demuxers = "mov,matroska,avi,gif";

    /// <summary>
    /// Cuts a video into clips, one after the other, while it is decoded: resized to cover the size and cropped around the
    /// centre, at the frame rate asked for. What is left at the end and too short for a clip is dropped.
    /// </summary>
    /// <param name="path">A file in one of the formats of <see cref="Endings"/>, whatever its name.</param>
    /// <param name="format">Size and speed of the clips.</param>
    /// <param name="frames">Frames per clip.</param>
    /// <param name="cancellationToken">Ends ffmpeg at once.</param>
    /// <returns>
    /// Clips <c>[frames, H, W, 3]</c>, uint8, on the CPU; each is the caller's. None where the video is shorter than one.
    /// </returns>
    /// <exception cref="InvalidRequestException">The file is missing, or not a video that can be read.</exception>
    /// <exception cref="EnvironmentException">There is no ffmpeg, or it hangs.</exception>
    public static IEnumerable<torch.Tensor> ReadClips(string path, VideoFormat format, int frames,
        CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(frames);
        Check(path);
        return Clips(FFmpeg.Locate(), Path.GetFullPath(path), format, frames, cancellationToken);
    }

    private static void Check(string path)
    {
        try
        {
            using SafeFileHandle file = InputFile.Open(path);
        }
        catch (FileNotFoundException e)
        {
            throw Bad(path, "does not exist", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Bad(path, $"cannot be read: {e.Message}", e);
        }
    }

    private static IEnumerable<torch.Tensor> Clips(FFmpeg ffmpeg, string path, VideoFormat format, int frames,
        CancellationToken cancellationToken)
    {
        using FFmpegProcess process = FFmpegProcess.Start(ffmpeg, Arguments(path, format));
        using CancellationTokenRegistration ending = cancellationToken.Register(process.Kill);
        process.Input.Close();
        byte[] clip = new byte[checked(frames * format.Height * format.Width * 3)];
        int frameBytes = clip.Length / frames, count = 0;
        while (ReadFrame(process, clip.AsMemory(count % frames * frameBytes, frameBytes), cancellationToken))
            if (++count % frames == 0)
                yield return torch.tensor(clip, [frames, format.Height, format.Width, 3], torch.uint8);
        process.EndAsync().GetAwaiter().GetResult();
        cancellationToken.ThrowIfCancellationRequested();
        if (process.ExitCode != 0 || count == 0)
            throw Bad(path, $"cannot be read as a video: {(process.ExitCode == 0 ? "it has no frames" : process.Reason)}");
    }

    private static bool ReadFrame(FFmpegProcess process, Memory<byte> frame, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Task<int> read = process.Output.ReadAtLeastAsync(frame, frame.Length, throwOnEndOfStream: false, CancellationToken.None).AsTask();
        process.WhileWorking(read).GetAwaiter().GetResult();
        return read.Result == frame.Length;
    }

    /// <summary>The arguments by which ffmpeg reads a video: nothing but this file, and nothing but the pictures in it.</summary>
    /// <exception cref="InvalidRequestException">There is no such file.</exception>
    internal static string[] Input(string path)
    {
        Check(path);
        return ["-protocol_whitelist", "file", "-format_whitelist", Demuxers, "-i", "file:" + Path.GetFullPath(path), "-map", "0:v:0"];
    }

    private static string[] Arguments(string path, VideoFormat format) =>
    [
        .. Input(path),
        "-vf", string.Create(CultureInfo.InvariantCulture,
            $"fps={format.FramesPerSecond},scale={format.Width}:{format.Height}:force_original_aspect_ratio=increase:" +
            $"flags=bicubic+accurate_rnd+full_chroma_int,crop={format.Width}:{format.Height}"),
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-",
    ];

    internal static InvalidRequestException Bad(string path, string reason, Exception? cause = null) =>
        new("video", $"The video {path} {reason}.", cause);
}
