using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace TurboDiffusion.AspNetCore.Files;

/// <summary>
/// What the files of a job are called. Names come from here, never from a request. Those of results have the number of the run,
/// so that two runs of a job, on machines that do not know of each other, never write the same file; those of images have a digest of what
/// is in them, so that requests with different images are different requests.
/// </summary>
public static partial class VideoFileNames
{
    /// <summary>The media type of pictures of videos.</summary>
    public const string PictureMediaType = "image/webp";

    private static readonly Dictionary<string, string> Extensions = new(StringComparer.OrdinalIgnoreCase)
    {
        ["video/mp4"] = "mp4",
        ["video/webm"] = "webm",
        ["image/gif"] = "gif",
        ["image/jpeg"] = "jpg",
        ["image/png"] = "png",
        [PictureMediaType] = "webp",
    };

    /// <summary>The name of the video.</summary>
    /// <param name="mediaType">Its media type.</param>
    /// <param name="attempt">The run.</param>
    /// <exception cref="ArgumentException">The media type is none of a video.</exception>
    public static string Video(string mediaType, int attempt) => Name($"video{attempt}", mediaType);

    /// <summary>The name of one picture of the video.</summary>
    /// <param name="attempt">The run.</param>
    public static string Thumbnail(int attempt) => Name($"thumbnail{attempt}", PictureMediaType);

    /// <summary>The name of several pictures of the video side by side.</summary>
    /// <param name="attempt">The run.</param>
    public static string Spritesheet(int attempt) => Name($"spritesheet{attempt}", PictureMediaType);

    /// <summary>The name of the image that the video starts from.</summary>
    /// <param name="mediaType">Its media type.</param>
    /// <param name="content">Its bytes.</param>
    /// <exception cref="ArgumentException">The media type is none of an image.</exception>
    public static string StartImage(string mediaType, ReadOnlySpan<byte> content) => Name($"start-{Digest(content)}", mediaType);

    /// <summary>The name of the image that the video ends with.</summary>
    /// <param name="mediaType">Its media type.</param>
    /// <param name="content">Its bytes.</param>
    /// <exception cref="ArgumentException">The media type is none of an image.</exception>
    public static string EndImage(string mediaType, ReadOnlySpan<byte> content) => Name($"end-{Digest(content)}", mediaType);

    /// <summary>The media type of a file.</summary>
    /// <param name="name">Its name.</param>
    public static string MediaType(string name) =>
        Extensions.First(pair => name.EndsWith($".{pair.Value}", StringComparison.Ordinal)).Key;

    /// <summary>Whether a text has the form of a name.</summary>
    /// <param name="text">A text.</param>
    public static bool IsValid(string text) => Pattern().IsMatch(text);

    private static string Name(string stem, string mediaType) => Extensions.TryGetValue(mediaType, out var extension)
        ? $"{stem}.{extension}"
        : throw new ArgumentException(
            $"Files of the media type '{mediaType}' are not kept; known are {string.Join(", ", Extensions.Keys)}.", nameof(mediaType));

    private static string Digest(ReadOnlySpan<byte> content) => Convert.ToHexStringLower(SHA256.HashData(content));

    [GeneratedRegex(@"\A[a-z]+[0-9]*(-[0-9a-f]{64})?\.[a-z0-9]+\z")]
    private static partial Regex Pattern();
}
