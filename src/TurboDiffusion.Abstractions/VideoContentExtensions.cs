using System.Text.Json;
using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Reads and writes the <see cref="VideoInfo"/> of a content.</summary>
public static class VideoContentExtensions
{
    private const string Key = "video";

    /// <summary>Tells the size, duration and seed of a generated video.</summary>
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
}
