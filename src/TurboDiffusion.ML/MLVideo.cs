using FFMpegCore;
using FFMpegCore.Exceptions;
using Microsoft.Extensions.AI;
using Microsoft.ML.Data;
using TurboDiffusion.Extensions.AI;
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

    /// <summary>Decodes the frames, in order. Needs ffmpeg; every call decodes anew.</summary>
    /// <returns>The frames; dispose each. Frames that are not read are decoded to temporary files all the same.</returns>
    /// <exception cref="EnvironmentException">ffmpeg is missing or cannot decode the video.</exception>
    public IEnumerable<MLImage> ReadFrames()
    {
        var folder = Directory.CreateTempSubdirectory("turbodiffusion-").FullName;
        try
        {
            foreach (var frame in Directory.Exists(Path) ? FramesOf(Path) : Decode(folder))
                yield return MLImage.CreateFromFile(frame);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private IEnumerable<string> Decode(string folder)
    {
        var path = Path;
        if (path is null)
        {
            path = System.IO.Path.Combine(folder, "video");
            File.WriteAllBytes(path, GetBytes().ToArray());
        }

        try
        {
            // ffmpeg would wait for a named pipe for ever.
            InputFile.Open(path).Dispose();
            FFMpegArguments.FromFileInput(path)
                .OutputToFile(System.IO.Path.Combine(folder, "frame_%05d.png"), addArguments: output => output
                    .WithCustomArgument("-fps_mode passthrough"))
                .ProcessSynchronously();
        }
        catch (Exception exception) when (exception is FFMpegException or System.ComponentModel.Win32Exception or IOException)
        {
            throw new EnvironmentException("ffmpeg", $"ffmpeg cannot decode the video {Path}: {exception.Message}", exception);
        }

        return FramesOf(folder);
    }

    private static IEnumerable<string> FramesOf(string folder) =>
        Directory.GetFiles(folder, "frame_*.png").Order(StringComparer.Ordinal);
}
