using System.Text.Json.Serialization;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// What a model is told of a generated video: where it is and what it is like, never its bytes. Either
/// <see cref="VideoUri"/> or <see cref="Error"/> is set.
/// </summary>
public sealed record VideoGenerationFunctionResult
{
    /// <summary>The address of the video, such as <c>file:///videos/cat.mp4</c>.</summary>
    [JsonPropertyName("videoUri")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? VideoUri { get; init; }

    /// <summary>The media type, such as <c>video/mp4</c>.</summary>
    [JsonPropertyName("mediaType")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? MediaType { get; init; }

    /// <summary>Width in pixels.</summary>
    [JsonPropertyName("width")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Width { get; init; }

    /// <summary>Height in pixels.</summary>
    [JsonPropertyName("height")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Height { get; init; }

    /// <summary>Length in seconds.</summary>
    [JsonPropertyName("durationSeconds")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? DurationSeconds { get; init; }

    /// <summary>Frames per second of playback.</summary>
    [JsonPropertyName("framesPerSecond")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? FramesPerSecond { get; init; }

    /// <summary>The seed that gives the same video again.</summary>
    [JsonPropertyName("seed")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Seed { get; init; }

    /// <summary>What of the description the video does not show, such as things that its model does not know; null: nothing.</summary>
    [JsonPropertyName("note")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Note { get; init; }

    /// <summary>What the model, or its user, can correct.</summary>
    [JsonPropertyName("error")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Error { get; init; }

    /// <summary>What is known of the video, for callers in this process.</summary>
    [JsonIgnore]
    internal VideoInfo? Info { get; init; }

    /// <summary>The video's address, or the error: what a prompt template shows of it.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => VideoUri ?? Error ?? "";
}
