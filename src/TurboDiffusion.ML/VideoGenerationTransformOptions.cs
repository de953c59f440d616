using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.ML;

/// <summary>The options of <c>mlContext.Transforms.GenerateVideo</c>.</summary>
public sealed class VideoGenerationTransformOptions
{
    /// <summary>The text column with the prompts.</summary>
    public string InputColumnName { get; set; } = "Prompt";

    /// <summary>The new column of videos.</summary>
    public string OutputColumnName { get; set; } = "Video";

    /// <summary>
    /// A column with start images: of type image, resized to one size before, or text with a path, which may be empty.
    /// <see langword="null"/> for text to video.
    /// </summary>
    public string? StartImageColumnName { get; set; }

    /// <summary>
    /// A text column with paths of the images that the videos end with, which may be empty; the start images are then paths, too.
    /// <see langword="null"/> where the model takes none.
    /// </summary>
    public string? EndImageColumnName { get; set; }

    /// <summary>A column of numbers with the seeds; <see langword="null"/> takes <see cref="VideoOptions"/>.</summary>
    public string? SeedColumnName { get; set; }

    /// <summary>
    /// A new text column with the paths of the video files. Videos that come as bytes are then written to
    /// <see cref="OutputDirectory"/>. Where it is read and <see cref="OutputColumnName"/> is not, ML.NET reads rows ahead.
    /// </summary>
    public string? PathColumnName { get; set; }

    /// <summary>
    /// The generator in the <see cref="VideoGeneratorRegistry"/>, looked up when a row is read. Where the name is
    /// <see cref="VideoGeneratorRegistry.DefaultName"/> and not registered, the engine is run with <see cref="Engine"/>; any other name
    /// must be registered.
    /// </summary>
    public string GeneratorName { get; set; } = VideoGeneratorRegistry.DefaultName;

    /// <summary>
    /// The model, the device and so on, of the engine that stands for <see cref="VideoGeneratorRegistry.DefaultName"/>. Saved with
    /// an ML.NET model, which then generates in any process that has the model's files.
    /// </summary>
    public TurboDiffusionOptions Engine { get; set; } = new();

    /// <summary>Where videos are written that come as bytes.</summary>
    public string? OutputDirectory { get; set; }

    /// <summary>Size, duration, seed and so on, for every row. The factory for raw options is not saved with a model.</summary>
    public VideoGenerationOptions? VideoOptions { get; set; }

    /// <summary>Hears of the progress of every row. Not saved with a model.</summary>
    public IProgress<VideoGenerationProgress>? Progress { get; set; }

    /// <summary>Ends the generation; the row that is being read fails. Not saved with a model.</summary>
    public CancellationToken CancellationToken { get; set; }
}
