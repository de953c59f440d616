using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.ML.Transforms.Image;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.ML;

/// <summary>What the mapping needs beside the columns. It is saved as text in the ML.NET model.</summary>
/// <param name="GeneratorName">The generator in the registry; null where the estimator was given one, which cannot be saved.</param>
/// <param name="Engine">How the engine is run where the default name is not registered.</param>
/// <param name="WriteFiles">Whether videos that come as bytes are written to a file.</param>
/// <param name="OutputDirectory">Where they are written.</param>
/// <param name="VideoOptions">The options for every row.</param>
/// <param name="ImageWidth">Width of the start images in pixels, where they come as pixels.</param>
/// <param name="ImageHeight">Their height in pixels.</param>
internal sealed record VideoGenerationSettings(
    string? GeneratorName,
    TurboDiffusionOptions Engine,
    bool WriteFiles,
    string? OutputDirectory,
    VideoGenerationOptions? VideoOptions,
    int ImageWidth,
    int ImageHeight)
{
    public static VideoGenerationSettings Create(VideoGenerationTransformOptions options, bool isGivenGenerator,
        ImageDataViewType? image) => new(
        isGivenGenerator ? null : options.GeneratorName,
        options.Engine,
        options.PathColumnName is not null,
        options.OutputDirectory,
        options.VideoOptions,
        image?.Width ?? 0,
        image?.Height ?? 0);

    public static VideoGenerationSettings Parse(string text) =>
        JsonSerializer.Deserialize<VideoGenerationSettings>(Convert.FromBase64String(text), AIJsonUtilities.DefaultOptions)!;

    /// <summary>Base64, which needs no escapes inside an expression of ML.NET.</summary>
    public string ToText() => Convert.ToBase64String(JsonSerializer.SerializeToUtf8Bytes(this, AIJsonUtilities.DefaultOptions));
}
