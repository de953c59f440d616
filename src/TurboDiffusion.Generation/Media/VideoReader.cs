using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using TorchSharp;

namespace TurboDiffusion.Generation.Media;

/// <summary>Reads video files of any format that ffmpeg knows.</summary>
public static class VideoReader
{
    /// <summary>
    /// Cuts a video into clips, one after the other, while it is decoded: resized to cover the size and cropped around the
    /// centre, at the frame rate asked for. What is left at the end and too short for a clip is dropped.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="format">Size and speed of the clips.</param>
    /// <param name="frames">Frames per clip.</param>
    /// <param name="cancellationToken">Checked before every frame; ends ffmpeg.</param>
    /// <returns>Clips <c>[frames, H, W, 3]</c>, uint8, on the CPU; each is the caller's. None where the video is shorter than one.</returns>
    /// <exception cref="InvalidRequestException">The file is missing, or not a video that can be read.</exception>
    /// <exception cref="EnvironmentException">There is no ffmpeg.</exception>
    public static IEnumerable<torch.Tensor> ReadClips(string path, VideoFormat format, int frames, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(frames);
        if (!File.Exists(path)) throw Bad(path, "does not exist");
        return Clips(FFmpeg.Locate(), Path.GetFullPath(path), format, frames, cancellationToken);
    }

    private static IEnumerable<torch.Tensor> Clips(FFmpeg ffmpeg, string path, VideoFormat format, int frames, CancellationToken cancellationToken)
    {
        using Process process = Start(ffmpeg, path, format);
        Task<string> errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            byte[] clip = new byte[checked(frames * format.Height * format.Width * 3)];
            int frameBytes = clip.Length / frames, count = 0;
            while (ReadFrame(process, clip.AsSpan(count % frames * frameBytes, frameBytes), cancellationToken))
                if (++count % frames == 0)
                    yield return torch.tensor(clip, [frames, format.Height, format.Width, 3], torch.uint8);
            process.WaitForExit();
            cancellationToken.ThrowIfCancellationRequested();
            if (process.ExitCode != 0 || count == 0)
            {
                string? reason = errors.GetAwaiter().GetResult().Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault();
                throw Bad(path, $"cannot be read as a video: {reason ?? "it has no frames"}");
            }
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }

    private static bool ReadFrame(Process process, Span<byte> frame, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return process.StandardOutput.BaseStream.ReadAtLeast(frame, frame.Length, throwOnEndOfStream: false) == frame.Length;
    }

    private static Process Start(FFmpeg ffmpeg, string path, VideoFormat format)
    {
        string filter = string.Create(CultureInfo.InvariantCulture,
            $"fps={format.FramesPerSecond},scale={format.Width}:{format.Height}:force_original_aspect_ratio=increase:" +
            $"flags=bicubic+accurate_rnd+full_chroma_int,crop={format.Width}:{format.Height}");
        try
        {
            // Only files: a playlist must not make ffmpeg open anything else.
            return Process.Start(new ProcessStartInfo(ffmpeg.Path,
                [
                    "-hide_banner", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "file", "-i", path,
                    "-map", "0:v:0", "-vf", filter, "-f", "rawvideo", "-pix_fmt", "rgb24", "-",
                ])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
        }
        catch (Win32Exception e)
        {
            throw new EnvironmentException("ffmpeg", $"{ffmpeg.Path} does not run: {e.Message}.", e);
        }
    }

    private static InvalidRequestException Bad(string path, string reason) => new("video", $"The video {path} {reason}.");
}
