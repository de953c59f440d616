using System.Text.Json;
using Microsoft.Extensions.AI;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Reads and writes the <see cref="VideoInfo"/> of a content.</summary>
public static class VideoContentExtensions
{
    private const string Key = "video";

    /// <summary>Tells the size, duration and seed of a generated video, and the note on its prompt.</summary>
    /// <param name="content">A content of a <see cref="VideoGenerationResponse"/>.</param>
    /// <returns>What is known of the video, or <see langword="null"/>.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="content"/> is <see langword="null"/>.</exception>
    public static VideoInfo? GetVideoInfo(this AIContent content)
    {
        ArgumentNullException.ThrowIfNull(content);
        return content.AdditionalProperties?.GetValueOrDefault(Key) switch
        {
            VideoInfo info => info,
            // After a round trip through JSON, which keeps no types.
            JsonElement json => Read(json),
            _ => null,
        };
    }

    private static VideoInfo? Read(JsonElement json)
    {
        try
        {
            return json.Deserialize(VideoJsonUtilities.TypeInfo<VideoInfo>());
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Attaches size, duration and seed to a generated video.</summary>
    /// <typeparam name="TContent">The type of the content.</typeparam>
    /// <param name="content">The video.</param>
    /// <param name="info">What is known of it.</param>
    /// <returns><paramref name="content"/>.</returns>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    public static TContent WithVideoInfo<TContent>(this TContent content, VideoInfo info)
        where TContent : AIContent
    {
        ArgumentNullException.ThrowIfNull(content);
        ArgumentNullException.ThrowIfNull(info);
        (content.AdditionalProperties ??= [])[Key] = info;
        return content;
    }

    /// <summary>Writes a generated video to a file: its bytes, or a copy of the file that it names.</summary>
    /// <param name="video">A content of a <see cref="VideoGenerationResponse"/>.</param>
    /// <param name="path">The new file; its folder is made if it is not there. An existing file is not overwritten.</param>
    /// <param name="cancellationToken">Ends the writing, and leaves nothing.</param>
    /// <returns>The full path of the file.</returns>
    /// <exception cref="ArgumentException">The content is neither bytes nor a file on this machine.</exception>
    /// <exception cref="IOException">The file exists, or cannot be written.</exception>
    public static async Task<string> SaveVideoAsync(this AIContent video, string path, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(video);
        ArgumentException.ThrowIfNullOrEmpty(path);
        var full = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        // Nobody sees half a file, and two writers do not meet. The engine removes files of such names whose writer was killed.
        var aside = Path.Combine(Path.GetDirectoryName(full)!, $".turbodiffusion-{Guid.NewGuid():n}.partial");
        try
        {
            await using var file = new FileStream(aside, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
            await CopyToAsync(video, file, cancellationToken).ConfigureAwait(false);
            Disk.Flush(file);
            // While it is open, and so locked.
            File.Move(aside, full, overwrite: false);
            return full;
        }
        finally
        {
            File.Delete(aside);
        }
    }

    private static async Task CopyToAsync(AIContent video, Stream output, CancellationToken cancellationToken)
    {
        switch (video)
        {
            case DataContent data:
                await output.WriteAsync(data.Data, cancellationToken).ConfigureAwait(false);
                break;
            case UriContent when LocalFile.PathOf(video) is { } path && !Directory.Exists(path):
                await using (var file = LocalFile.Open(path))
                    await file.CopyToAsync(output, cancellationToken).ConfigureAwait(false);
                break;
            default:
                throw new ArgumentException(
                    $"The video is {(video is UriContent other ? other.Uri.OriginalString : $"a {video.GetType().Name}")}; only bytes and "
                        + "a file on this machine can be saved.", nameof(video));
        }
    }
}
