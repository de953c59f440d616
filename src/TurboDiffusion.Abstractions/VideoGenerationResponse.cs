using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>The finished videos of one request.</summary>
public class VideoGenerationResponse
{
    private IList<AIContent>? _contents;

    /// <summary>Creates an empty response.</summary>
    [JsonConstructor]
    public VideoGenerationResponse()
    {
    }

    /// <summary>Creates a response.</summary>
    /// <param name="contents">The videos.</param>
    public VideoGenerationResponse(IList<AIContent>? contents) => _contents = contents;

    /// <summary>Identifies the response.</summary>
    public string? ResponseId { get; set; }

    /// <summary>The model that generated it.</summary>
    public string? ModelId { get; set; }

    /// <summary>
    /// The videos, one content each: <see cref="UriContent"/> or <see cref="DataContent"/>.
    /// <see cref="VideoContentExtensions.GetVideoInfo"/> tells a video's size, duration and seed, and what of the
    /// prompt it does not show.
    /// </summary>
    [AllowNull]
    public IList<AIContent> Contents
    {
        get => _contents ??= [];
        set => _contents = value;
    }

    /// <summary>Tokens used, where the generator counts them.</summary>
    public UsageDetails? Usage { get; set; }

    /// <summary>The generator's own result object.</summary>
    [JsonIgnore]
    public object? RawRepresentation { get; set; }

    /// <summary>Further properties.</summary>
    public AdditionalPropertiesDictionary? AdditionalProperties { get; set; }

    /// <summary>Writes the videos to files. An existing file is not overwritten.</summary>
    /// <param name="path">
    /// The new file. Of several videos, each gets its number before the extension: <c>cat-1.mp4</c>, <c>cat-2.mp4</c>, …
    /// </param>
    /// <param name="cancellationToken">Ends the writing.</param>
    /// <returns>The full paths, in the order of <see cref="Contents"/>.</returns>
    /// <exception cref="InvalidOperationException">There is no video.</exception>
    /// <exception cref="ArgumentException">A video is neither bytes nor a file on this machine.</exception>
    /// <exception cref="IOException">A file exists, or cannot be written.</exception>
    public async Task<IReadOnlyList<string>> SaveAsync(string path, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Contents.Count == 0)
            throw new InvalidOperationException("The response has no video to save.");

        var saved = new List<string>();
        foreach (var video in Contents)
        {
            var extension = Path.GetExtension(path);
            var own = Contents.Count == 1 ? path
                : string.Create(CultureInfo.InvariantCulture, $"{path[..^extension.Length]}-{saved.Count + 1}{extension}");
            saved.Add(await video.SaveVideoAsync(own, cancellationToken).ConfigureAwait(false));
        }

        return saved;
    }

    /// <summary>Gives the updates that a streaming call would have yielded for this response.</summary>
    /// <returns>One update for each video; the usage, if known, is in the last.</returns>
    public VideoGenerationResponseUpdate[] ToVideoGenerationResponseUpdates()
    {
        var contents = Contents.Select(content => new List<AIContent> { content }).ToList();
        if (Usage is not null)
            contents.Add([new UsageContent(Usage)]);

        return [.. contents.Select(content => new VideoGenerationResponseUpdate(content)
        {
            Kind = VideoGenerationResponseUpdateKind.VideoUpdated,
            ResponseId = ResponseId,
            ModelId = ModelId,
            RawRepresentation = RawRepresentation,
            AdditionalProperties = AdditionalProperties,
        })];
    }
}
