using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>One update of a streaming generation.</summary>
public class VideoGenerationResponseUpdate
{
    private IList<AIContent>? _contents;

    /// <summary>Creates an update without contents.</summary>
    [JsonConstructor]
    public VideoGenerationResponseUpdate()
    {
    }

    /// <summary>Creates an update.</summary>
    /// <param name="contents">Previews, frames or videos.</param>
    public VideoGenerationResponseUpdate(IList<AIContent>? contents) => _contents = contents;

    /// <summary>What the update reports.</summary>
    public VideoGenerationResponseUpdateKind Kind { get; set; }

    /// <summary>Where the generation stands; for updates that report progress.</summary>
    public VideoGenerationProgress? Progress { get; set; }

    /// <summary>Identifies the response that the update belongs to.</summary>
    public string? ResponseId { get; set; }

    /// <summary>The model that generates it.</summary>
    public string? ModelId { get; set; }

    /// <summary>Previews, frames or videos; empty for updates that only report progress.</summary>
    [AllowNull]
    public IList<AIContent> Contents
    {
        get => _contents ??= [];
        set => _contents = value;
    }

    /// <summary>The generator's own update object.</summary>
    [JsonIgnore]
    public object? RawRepresentation { get; set; }

    /// <summary>Further properties.</summary>
    public AdditionalPropertiesDictionary? AdditionalProperties { get; set; }
}
