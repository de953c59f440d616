using Microsoft.Extensions.AI;
using TurboDiffusion.Extensions.AI;

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
    public ReadOnlyMemory<byte> GetBytes() => _data?.Data ?? File.ReadAllBytes(Path!);
}
