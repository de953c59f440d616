using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace TurboDiffusion.Generation.Media;

/// <summary>Pictures of a video file, without libtorch.</summary>
public static class VideoPictures
{
    // Of an unknown number of frames: one a second, at the models' usual rate.
    private const int UsualStep = 16;

    private const int BufferBytes = 1 << 16;

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
        string[] choice =
        [
            // A comma would end the filter.
            "-vf", string.Create(CultureInfo.InvariantCulture, $"select=not(mod(n\\,{step})),scale=min(iw\\,{maxWidth}):-1"),
            "-frames:v", count.ToString(CultureInfo.InvariantCulture),
        ];
        List<byte[]> pictures = [];
        await foreach (byte[] picture in DecodeAsync(path, choice, cancellationToken).ConfigureAwait(false)) pictures.Add(picture);
        return pictures;
    }

    /// <summary>Decodes every frame of a video, in order, as it is asked for.</summary>
    /// <param name="path">A file in one of the formats of <see cref="VideoReader.Endings"/>.</param>
    /// <param name="cancellationToken">Ends ffmpeg at once.</param>
    /// <returns>PNG files.</returns>
    /// <exception cref="InvalidRequestException">The file is missing, or not a video that can be read.</exception>
    /// <exception cref="EnvironmentException">There is no ffmpeg, or it hangs.</exception>
    public static IAsyncEnumerable<byte[]> ReadFramesAsync(string path, CancellationToken cancellationToken = default) =>
        DecodeAsync(path, [], cancellationToken);

    private static async IAsyncEnumerable<byte[]> DecodeAsync(
        string path, string[] choice, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using FFmpegProcess process = FFmpegProcess.Start(FFmpeg.Locate(),
            [.. VideoReader.Input(path), .. choice, "-vsync", "passthrough", "-f", "image2pipe", "-c:v", "png", "-"]);
        using CancellationTokenRegistration ending = cancellationToken.Register(process.Kill);
        process.Input.Close();
        using var output = new BufferedStream(process.Output, BufferBytes);
        int count = 0;
        while (true)
        {
            Task<byte[]?> next = NextAsync(output);
            await process.WhileWorking(next).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            if (await next.ConfigureAwait(false) is not { } picture) break;
            count++;
            yield return picture;
        }
        await process.EndAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        if (process.ExitCode != 0 || count == 0)
            throw VideoReader.Bad(path, $"cannot be read as a video: {(process.ExitCode == 0 ? "it has no frames" : process.Reason)}");
    }

    // A signature, then chunks of length, name, data and checksum up to the one named IEND. Null at the end, and where it is cut off: then
    // ffmpeg's exit code says why.
    private static async Task<byte[]?> NextAsync(Stream output)
    {
        byte[] file = new byte[BufferBytes];
        int length = 0;
        if (!await AddAsync(SignatureBytes).ConfigureAwait(false)) return null;
        for (bool isLast = false; !isLast;)
        {
            if (!await AddAsync(ChunkHeaderBytes).ConfigureAwait(false)) return null;
            ReadOnlyMemory<byte> header = file.AsMemory(length - ChunkHeaderBytes, ChunkHeaderBytes);
            isLast = header.Span[4..].SequenceEqual("IEND"u8);
            int rest = checked((int)BinaryPrimitives.ReadUInt32BigEndian(header.Span) + ChecksumBytes);
            if (!await AddAsync(rest).ConfigureAwait(false)) return null;
        }
        return file[..length];

        async Task<bool> AddAsync(int bytes)
        {
            if (length + bytes > file.Length) Array.Resize(ref file, Math.Max(2 * file.Length, length + bytes));
            int read = await output.ReadAtLeastAsync(file.AsMemory(length, bytes), bytes, throwOnEndOfStream: false).ConfigureAwait(false);
            length += read;
            return read == bytes;
        }
    }
}
