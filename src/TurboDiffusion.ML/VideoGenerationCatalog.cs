using TurboDiffusion.Extensions.AI;
using TurboDiffusion.ML;

// The namespace in which users look for transforms.
#pragma warning disable IDE0130
namespace Microsoft.ML;

/// <summary>Adds video generation to <see cref="MLContext.Transforms"/>.</summary>
public static class VideoGenerationCatalog
{
    /// <summary>Generates a video for each prompt with the generator that is registered as <c>default</c>, or the engine.</summary>
    /// <param name="catalog">The transforms.</param>
    /// <param name="outputColumnName">The new column of videos.</param>
    /// <param name="inputColumnName">The text column with the prompts.</param>
    /// <returns>The estimator.</returns>
    public static VideoGenerationEstimator GenerateVideo(
        this TransformsCatalog catalog, string outputColumnName = "Video", string inputColumnName = "Prompt") =>
        catalog.GenerateVideo(new VideoGenerationTransformOptions
        {
            InputColumnName = inputColumnName,
            OutputColumnName = outputColumnName,
        });

    /// <summary>Generates a video for each prompt with a given generator.</summary>
    /// <param name="catalog">The transforms.</param>
    /// <param name="generator">
    /// The generator; not disposed with the transformer. It cannot be saved: for a model that is to be saved, register the generator under
    /// a name in <see cref="VideoGeneratorRegistry"/> and use that.
    /// </param>
    /// <param name="outputColumnName">The new column of videos.</param>
    /// <param name="inputColumnName">The text column with the prompts.</param>
    /// <param name="options">Size, duration, seed and so on, for every row.</param>
    /// <returns>The estimator.</returns>
    public static VideoGenerationEstimator GenerateVideo(
        this TransformsCatalog catalog,
        IVideoGenerator generator,
        string outputColumnName = "Video",
        string inputColumnName = "Prompt",
        VideoGenerationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(generator);
        return new VideoGenerationEstimator(
            catalog,
            new VideoGenerationTransformOptions
            {
                InputColumnName = inputColumnName,
                OutputColumnName = outputColumnName,
                VideoOptions = options,
            },
            generator);
    }

    /// <summary>Generates a video for each prompt.</summary>
    /// <param name="catalog">The transforms.</param>
    /// <param name="options">Columns, generator, size, progress and so on.</param>
    /// <returns>The estimator.</returns>
    public static VideoGenerationEstimator GenerateVideo(
        this TransformsCatalog catalog, VideoGenerationTransformOptions options)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(options);
        return new VideoGenerationEstimator(catalog, options);
    }
}
