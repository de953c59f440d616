using System.ComponentModel;
using ModelContextProtocol;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.Mcp;

/// <summary>
/// The tools, as the protocol's library calls them: what cannot be met is an error of the tool, for the model to correct.
/// </summary>
internal sealed class VideoGenerationTools(Func<IServiceProvider, IVideoGenerator> generator, VideoGenerationFunctionOptions options)
{
    [Description(ToolText.GenerateVideo)]
    public async Task<VideoGenerationFunctionResult> GenerateVideoAsync(
        IServiceProvider services,
        IProgress<ProgressNotificationValue> progress,
        [Description(ToolText.Prompt)] string prompt,
        [Description(ToolText.AspectRatio), AspectRatios] string? aspectRatio = null,
        [Description(ToolText.Duration)] double? durationSeconds = null,
        [Description(ToolText.Seed)] long? seed = null,
        CancellationToken cancellationToken = default) => ResultOrError(
            await Functions(services, progress).GenerateVideoAsync(prompt, aspectRatio, durationSeconds, seed, cancellationToken)
                .ConfigureAwait(false));

    [Description(ToolText.AnimateImage)]
    public async Task<VideoGenerationFunctionResult> AnimateImageAsync(
        IServiceProvider services,
        IProgress<ProgressNotificationValue> progress,
        [Description(ToolText.ImagePath)] string imagePath,
        [Description(ToolText.Motion)] string prompt,
        [Description(ToolText.EndImagePath)] string? endImagePath = null,
        [Description(ToolText.Duration)] double? durationSeconds = null,
        [Description(ToolText.Seed)] long? seed = null,
        CancellationToken cancellationToken = default) => ResultOrError(
            await Functions(services, progress)
                .AnimateImageAsync(imagePath, prompt, endImagePath, durationSeconds, seed, cancellationToken).ConfigureAwait(false));

    private VideoGenerationFunctions Functions(IServiceProvider services, IProgress<ProgressNotificationValue> progress) =>
        new(new ProgressVideoGenerator(generator(services), progress), options);

    private static VideoGenerationFunctionResult ResultOrError(VideoGenerationFunctionResult result) =>
        result.Error is { } error ? throw new McpException(error) : result;
}
