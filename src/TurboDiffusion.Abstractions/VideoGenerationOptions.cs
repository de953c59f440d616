using System.Drawing;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>The options of one generation. What is <see langword="null"/> is left to the generator.</summary>
public class VideoGenerationOptions
{
    /// <summary>Creates options in which everything is left to the generator.</summary>
    public VideoGenerationOptions()
    {
    }

    /// <summary>Copies options.</summary>
    /// <param name="other">The options to copy; <see langword="null"/> copies nothing.</param>
    protected VideoGenerationOptions(VideoGenerationOptions? other)
    {
        if (other is null)
            return;

        ModelId = other.ModelId;
        VideoSize = other.VideoSize;
        AspectRatio = other.AspectRatio;
        Duration = other.Duration;
        FramesPerSecond = other.FramesPerSecond;
        Count = other.Count;
        Seed = other.Seed;
        MediaType = other.MediaType;
        ResponseFormat = other.ResponseFormat;
        StreamingCount = other.StreamingCount;
        RawRepresentationFactory = other.RawRepresentationFactory;
        AdditionalProperties = other.AdditionalProperties?.Clone();
    }

    /// <summary>The model to use.</summary>
    public string? ModelId { get; set; }

    /// <summary>Width and height in pixels. Wins over <see cref="AspectRatio"/>.</summary>
    public Size? VideoSize { get; set; }

    /// <summary>Width to height, such as <c>16:9</c>; the generator picks the size.</summary>
    public string? AspectRatio { get; set; }

    /// <summary>How long the video plays. The nearest duration that the model supports is used.</summary>
    public TimeSpan? Duration { get; set; }

    /// <summary>Frames per second of playback, such as 16 or 23.976.</summary>
    public double? FramesPerSecond { get; set; }

    /// <summary>How many videos to generate for the request.</summary>
    public int? Count { get; set; }

    /// <summary>The seed of the random noise. The same request and seed give the same video.</summary>
    public long? Seed { get; set; }

    /// <summary>The media type of the result, such as <c>video/mp4</c>.</summary>
    public string? MediaType { get; set; }

    /// <summary>Whether results are returned as file references or as bytes.</summary>
    public VideoGenerationResponseFormat? ResponseFormat { get; set; }

    /// <summary>How many previews a streaming call yields on the way to the finished video.</summary>
    public int? StreamingCount { get; set; }

    /// <summary>
    /// Creates the generator's own options object, for knobs that have no property here. What it sets wins over the
    /// properties here.
    /// </summary>
    [JsonIgnore]
    public Func<IVideoGenerator, object?>? RawRepresentationFactory { get; set; }

    /// <summary>Further properties.</summary>
    public AdditionalPropertiesDictionary? AdditionalProperties { get; set; }

    /// <summary>Copies the options. <see cref="AdditionalProperties"/> is copied one level deep.</summary>
    /// <returns>The copy.</returns>
    public virtual VideoGenerationOptions Clone() => new(this);
}
