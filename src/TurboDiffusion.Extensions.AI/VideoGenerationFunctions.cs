using System.ComponentModel;
using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// A generator as functions that a model can call: through any <see cref="IChatClient"/> with function invocation,
/// Microsoft Agent Framework, or a Model Context Protocol server.
/// </summary>
/// <remarks>
/// Results are small: the address of the video and its properties. What the model or its user can correct comes back as
/// <see cref="VideoGenerationFunctionResult.Error"/>, because callers hide the messages of exceptions from models.
/// </remarks>
public sealed class VideoGenerationFunctions
{
    private readonly IVideoGenerator _generator;
    private readonly VideoGenerationFunctionOptions _options;
    private readonly AllowedFolders _inputFolders;

    /// <summary>Creates the functions.</summary>
    /// <param name="generator">Generates the videos; not disposed with the functions.</param>
    /// <param name="options">What a model may do.</param>
    /// <exception cref="ArgumentNullException"><paramref name="generator"/> is <see langword="null"/>.</exception>
    public VideoGenerationFunctions(IVideoGenerator generator, VideoGenerationFunctionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(generator);
        _generator = generator;
        _options = options ?? new VideoGenerationFunctionOptions();
        _inputFolders = new AllowedFolders(_options.AllowedInputFolders);
    }

    /// <summary>Generates a video from text.</summary>
    /// <param name="prompt">A description of the video.</param>
    /// <param name="aspectRatio">Width to height.</param>
    /// <param name="durationSeconds">Length in seconds.</param>
    /// <param name="seed">The random seed.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>Where the video is, or what to correct.</returns>
    public Task<VideoGenerationFunctionResult> GenerateVideoAsync(
        [Description(ToolText.Prompt)] string prompt,
        [Description(ToolText.AspectRatio), AspectRatios] string? aspectRatio = null,
        [Description(ToolText.Duration)] double? durationSeconds = null,
        [Description(ToolText.Seed)] long? seed = null,
        CancellationToken cancellationToken = default) =>
        RunAsync(new VideoGenerationRequest(prompt), aspectRatio, durationSeconds, seed, cancellationToken);

    /// <summary>Generates a video that starts from an image file.</summary>
    /// <param name="imagePath">The image, inside one of the allowed folders.</param>
    /// <param name="prompt">A description of the motion.</param>
    /// <param name="endImagePath">The image that the video ends with, likewise; for models that take one.</param>
    /// <param name="durationSeconds">Length in seconds.</param>
    /// <param name="seed">The random seed.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>Where the video is, or what to correct.</returns>
    public Task<VideoGenerationFunctionResult> AnimateImageAsync(
        [Description(ToolText.ImagePath)] string imagePath,
        [Description(ToolText.Motion)] string prompt,
        [Description(ToolText.EndImagePath)] string? endImagePath = null,
        [Description(ToolText.Duration)] double? durationSeconds = null,
        [Description(ToolText.Seed)] long? seed = null,
        CancellationToken cancellationToken = default)
    {
        var (start, error) = Image(imagePath);
        var (end, endError) = string.IsNullOrEmpty(endImagePath) ? (null, null) : Image(endImagePath);
        return (error ?? endError) is { } wrong
            ? Task.FromResult(Failure(wrong))
            : RunAsync(new VideoGenerationRequest(prompt, start) { EndFrame = end }, null, durationSeconds, seed, cancellationToken);
    }

    private (DataContent? Image, string? Error) Image(string path)
    {
        var (allowed, error) = _inputFolders.Resolve(path);
        try
        {
            return (allowed is null ? null : ImageFile.Read(allowed), error);
        }
        catch (InvalidRequestException exception)
        {
            return (null, exception.Message);
        }
    }

    /// <summary>Gives the functions as tools named <c>generate_video</c> and, where a folder is allowed, <c>animate_image</c>.</summary>
    /// <returns>The tools, for <see cref="ChatOptions.Tools"/> or an agent.</returns>
    public IReadOnlyList<AIFunction> AsAIFunctions()
    {
        var generate = AIFunctionFactory.Create(GenerateVideoAsync, ToolText.GenerateVideoName, ToolText.GenerateVideo);
        return _options.AllowedInputFolders.Count == 0
            ? [generate]
            : [generate, AIFunctionFactory.Create(AnimateImageAsync, ToolText.AnimateImageName, ToolText.AnimateImage)];
    }

    private async Task<VideoGenerationFunctionResult> RunAsync(
        VideoGenerationRequest request,
        string? aspectRatio,
        double? durationSeconds,
        long? seed,
        CancellationToken cancellationToken)
    {
        if (ToolOptions.PromptError(request.Prompt, _options.MaxPromptLength) is { } promptError)
            return Failure(promptError);

        var (options, error) = ToolOptions.Create(_options.Defaults, aspectRatio, durationSeconds, seed);
        if (options is null)
            return Failure(error);

        options.Count = 1;
        options.ResponseFormat = VideoGenerationResponseFormat.Uri;
        try
        {
            var response = await _generator.GenerateAsync(request, options, cancellationToken).ConfigureAwait(false);
            return response.Contents.Count == 0
                ? Failure("No video was generated.")
                : await DescribeAsync(response.Contents[0], cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (ToolOptions.IsForTheUser(exception))
        {
            return Failure(exception.Message);
        }
    }

    private async Task<VideoGenerationFunctionResult> DescribeAsync(AIContent video, CancellationToken cancellationToken)
    {
        var (uri, mediaType) = video switch
        {
            UriContent reference => (reference.Uri.OriginalString, reference.MediaType),
            DataContent data => (await SaveAsync(data).ConfigureAwait(false), data.MediaType),
            _ => throw new InvalidOperationException(
                $"The video generator returned a {video.GetType().Name}; expected a UriContent or a DataContent."),
        };
        var info = video.GetVideoInfo();
        return new VideoGenerationFunctionResult
        {
            VideoUri = uri,
            MediaType = mediaType,
            Width = info?.Width,
            Height = info?.Height,
            DurationSeconds = info?.Duration.TotalSeconds,
            FramesPerSecond = info?.FramesPerSecond,
            Seed = info?.Seed,
            Note = info?.Note,
            Info = info,
        };

        async Task<string> SaveAsync(DataContent data) => new Uri(
            await VideoFile.SaveAsync(data, _options.OutputDirectory, cancellationToken).ConfigureAwait(false)).AbsoluteUri;
    }

    private static VideoGenerationFunctionResult Failure(string? error) => new() { Error = error };
}
