using System.ComponentModel;
using Microsoft.SemanticKernel;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.SemanticKernel;

/// <summary>
/// Video generation as functions that a model can call on its own: text to video and image to video. Nothing but the
/// folders in the options can be read, and nothing is overwritten.
/// </summary>
/// <param name="generator">Generates the videos; not disposed with the plugin.</param>
/// <param name="options">What a model may do.</param>
[Description("Generates short videos on this machine.")]
public sealed class VideoGenerationPlugin(IVideoGenerator generator, VideoGenerationFunctionOptions? options = null)
{
    private readonly VideoGenerationFunctions _functions = new(generator, options);

    /// <summary>Generates a video from text.</summary>
    /// <param name="prompt">A description of the video.</param>
    /// <param name="aspectRatio">Width to height.</param>
    /// <param name="durationSeconds">Length in seconds.</param>
    /// <param name="seed">The random seed.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>Where the video is, or what to correct.</returns>
    [KernelFunction(ToolText.GenerateVideoName)]
    [Description(ToolText.GenerateVideo)]
    [return: Description(ToolText.Result)]
    public Task<VideoGenerationFunctionResult> GenerateVideoAsync(
        [Description(ToolText.Prompt)] string prompt,
        [Description(ToolText.AspectRatio)] string? aspectRatio = null,
        [Description(ToolText.Duration)] double? durationSeconds = null,
        [Description(ToolText.Seed)] long? seed = null,
        CancellationToken cancellationToken = default) =>
        _functions.GenerateVideoAsync(prompt, aspectRatio, durationSeconds, seed, cancellationToken);

    /// <summary>Generates a video that starts from an image file.</summary>
    /// <param name="imagePath">The image, inside one of the allowed folders.</param>
    /// <param name="prompt">A description of the motion.</param>
    /// <param name="durationSeconds">Length in seconds.</param>
    /// <param name="seed">The random seed.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>Where the video is, or what to correct.</returns>
    [KernelFunction(ToolText.AnimateImageName)]
    [Description(ToolText.AnimateImage)]
    [return: Description(ToolText.Result)]
    public Task<VideoGenerationFunctionResult> AnimateImageAsync(
        [Description(ToolText.ImagePath)] string imagePath,
        [Description(ToolText.Motion)] string prompt,
        [Description(ToolText.Duration)] double? durationSeconds = null,
        [Description(ToolText.Seed)] long? seed = null,
        CancellationToken cancellationToken = default) =>
        _functions.AnimateImageAsync(imagePath, prompt, durationSeconds, seed, cancellationToken);
}
