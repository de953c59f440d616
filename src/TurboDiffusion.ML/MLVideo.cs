using Microsoft.Extensions.AI;
using Microsoft.ML.Data;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.ML;

/// <summary>A generated video, as the value of an ML.NET column.</summary>
public sealed class MLVideo
{
    private readonly DataContent? _data;

    /// <summary>Wraps a generator's result.</summary>
    /// <param name="content">A <see cref="UriContent"/> or a <see cref="DataContent"/>.</param>
    /// <exception cref="ArgumentException"><paramref name="content"/> is of another kind.</exception>
    public MLVideo(AIContent content)
    {
        ArgumentNullException.ThrowIfNull(content);
        Info = content.GetVideoInfo();
        switch (content)
        {
            case DataContent data:
                MediaType = data.MediaType;
                _data = data;
                break;
            case UriContent { Uri: { IsAbsoluteUri: true, IsFile: true } uri } file:
                MediaType = file.MediaType;
                Path = uri.LocalPath;
                break;
            default:
                throw new ArgumentException("A video is a DataContent, or a UriContent that refers to a file.", nameof(content));
        }
    }

    /// <summary>The media type, such as <c>video/mp4</c>.</summary>
    public string MediaType { get; }

    /// <summary>The file's full path; <see langword="null"/> for a video that is not in a file.</summary>
    public string? Path { get; }

    /// <summary>Size, number of frames, frame rate and seed, where the generator tells them.</summary>
    public VideoInfo? Info { get; }

    /// <summary>Gives the bytes of the video file; a file is read on every call.</summary>
    /// <returns>The bytes.</returns>
    /// <exception cref="IOException">The file is gone, or is no regular file.</exception>
    public ReadOnlyMemory<byte> GetBytes() => _data?.Data ?? InputFile.ReadBytes(Path!, Array.MaxLength);

    /// <summary>Decodes the frames, in order, as they are asked for. Needs ffmpeg; every call decodes anew.</summary>
    /// <returns>The frames; dispose each.</returns>
    /// <exception cref="InvalidRequestException">
    /// It is gone, or not a video in one of the formats of <see cref="VideoReader.Endings"/>.
    /// </exception>
    /// <exception cref="EnvironmentException">
    /// ffmpeg is missing or hangs, or, of a video that is not in a file, there is no room among the temporary files.
    /// </exception>
    public IEnumerable<MLImage> ReadFrames()
    {
        // ffmpeg looks for the index of a video in files only.
        using var folder = _data is null ? null : new ScratchFolder("decoding a video");
        var path = Path ?? folder!.Add("video", _data!.Data);
        foreach (var png in Directory.Exists(path) ? FramesOf(path) : VideoPictures.ReadFramesAsync(path).ToBlockingEnumerable())
        {
            using var file = new MemoryStream(png);
            yield return MLImage.CreateFromStream(file);
        }
    }

    private static IEnumerable<byte[]> FramesOf(string folder) => Directory.GetFiles(folder, "frame_*.png").Order(StringComparer.Ordinal)
        .Select(frame => ImageReader.ReadBytes(frame));
}
