using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;
using Microsoft.ML.Transforms.Image;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.ML;

/// <summary>What the mapping needs beside the columns. It is saved as text in the ML.NET model.</summary>
/// <param name="Id">Finds what cannot be saved, in the process that created the transformer.</param>
/// <param name="GeneratorName">The generator in the registry.</param>
/// <param name="Engine">How the engine is run where no generator has that name.</param>
/// <param name="WriteFiles">Whether videos that come as bytes are written to a file.</param>
/// <param name="OutputDirectory">Where they are written.</param>
/// <param name="VideoOptions">The options for every row.</param>
/// <param name="ImageWidth">Width of the start images in pixels, where they come as pixels.</param>
/// <param name="ImageHeight">Their height in pixels.</param>
internal sealed record VideoGenerationSettings(
    Guid Id,
    string GeneratorName,
    TurboDiffusionOptions Engine,
    bool WriteFiles,
    string? OutputDirectory,
    VideoGenerationOptions? VideoOptions,
    int ImageWidth,
    int ImageHeight)
{
    private static readonly ConcurrentDictionary<Guid, VideoGenerationTransformOptions> Unsaved = new();
    private static readonly ConcurrentDictionary<string, VideoGenerationSettings> Parsed = new(StringComparer.Ordinal);

    [JsonIgnore]
    public IProgress<VideoGenerationProgress>? Progress => Unsaved.GetValueOrDefault(Id)?.Progress;

    [JsonIgnore]
    public CancellationToken CancellationToken => Unsaved.GetValueOrDefault(Id)?.CancellationToken ?? default;

    public static VideoGenerationSettings Create(VideoGenerationTransformOptions options, ImageDataViewType? image)
    {
        var settings = new VideoGenerationSettings(
            Guid.NewGuid(),
            options.GeneratorName,
            options.Engine,
            options.PathColumnName is not null,
            options.OutputDirectory,
            options.VideoOptions,
            image?.Width ?? 0,
            image?.Height ?? 0);
        Unsaved[settings.Id] = options;
        return settings;
    }

    /// <summary>Base64, which needs no escapes inside an expression of ML.NET.</summary>
    public string ToText() => Convert.ToBase64String(JsonSerializer.SerializeToUtf8Bytes(this, AIJsonUtilities.DefaultOptions));

    public static VideoGenerationSettings Parse(string text) => Parsed.GetOrAdd(text, static text =>
        JsonSerializer.Deserialize<VideoGenerationSettings>(Convert.FromBase64String(text), AIJsonUtilities.DefaultOptions)!);

    /// <summary>The options of one row, with what could not be saved.</summary>
    public VideoGenerationOptions RowOptions(long? seed)
    {
        var options = (Unsaved.GetValueOrDefault(Id)?.VideoOptions ?? VideoOptions)?.Clone() ?? new VideoGenerationOptions();
        options.Seed = seed ?? options.Seed;
        options.Count = 1;
        return options;
    }

    public void Forget() => Unsaved.TryRemove(Id, out _);
}
