using System.Buffers.Binary;
using System.Globalization;

namespace TurboDiffusion.Generation.Media;

/// <summary>Pictures of a video file, without libtorch.</summary>
public static class VideoPictures
{
    // Of an unknown number of frames: one a second, at the models' usual rate.
    private const int UsualStep = 16;

    private const int SignatureBytes = 8, ChunkHeaderBytes = 8, ChecksumBytes = 4;

    /// <summary>Takes frames from a video, evenly spaced, made smaller where they are wider than asked for.</summary>
    /// <param name="path">A file in one of the formats of <see cref="VideoReader.Endings"/>.</param>
    /// <param name="count">How many at most.</param>
    /// <param name="maxWidth">The widest picture, in pixels.</param>
    /// <param name="frames">How many frames the video has; null: not known.</param>
    /// <param name="cancellationToken">Ends ffmpeg at once.</param>
    /// <returns>PNG files, in order.</returns>
    /// <exception cref="InvalidRequestException">The file is missing, or not a video that can be read.</exception>
    /// <exception cref="EnvironmentException">There is no ffmpeg, or it hangs.</exception>
    public static async Task<IReadOnlyList<byte[]>> ReadAsync(
        string path, int count, int maxWidth, int? frames = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxWidth);
        int step = frames is { } known ? Math.Max(1, (known + count - 1) / count) : UsualStep;
        using FFmpegProcess process = FFmpegProcess.Start(FFmpeg.Locate(),
        [
            .. VideoReader.Input(path),
            // A comma would end the filter.
            "-vf", string.Create(CultureInfo.InvariantCulture, $"select=not(mod(n\\,{step})),scale=min(iw\\,{maxWidth}):-1"),
            "-vsync", "passthrough", "-frames:v", count.ToString(CultureInfo.InvariantCulture),
            "-f", "image2pipe", "-c:v", "png", "-",
        ]);
        using CancellationTokenRegistration ending = cancellationToken.Register(process.Kill);
        process.Input.Close();
        using var pictures = new MemoryStream();
        await process.WhileWorking(process.Output.CopyToAsync(pictures, CancellationToken.None)).ConfigureAwait(false);
        await process.EndAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        List<byte[]> files = process.ExitCode == 0 ? Split(pictures.ToArray()) : [];
        return files.Count > 0 ? files
            : throw VideoReader.Bad(path, $"cannot be read as a video: {(process.ExitCode == 0 ? "it has no frames" : process.Reason)}");
    }

    // One PNG file after the other: a signature, then chunks of length, name, data and checksum up to the one named IEND.
    private static List<byte[]> Split(byte[] bytes)
    {
        List<byte[]> files = [];
        for (int start = 0, at = SignatureBytes; at + ChunkHeaderBytes <= bytes.Length;)
        {
            int length = checked((int)BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at)));
            bool isLast = bytes.AsSpan(at + 4, 4).SequenceEqual("IEND"u8);
            at += ChunkHeaderBytes + length + ChecksumBytes;
            if (!isLast) continue;
            files.Add(bytes[start..at]);
            (start, at) = (at, at + SignatureBytes);
        }
        return files;
    }
}
