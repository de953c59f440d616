using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Short forms of calls to <see cref="IVideoGenerator"/>.</summary>
public static class VideoGeneratorExtensions
{
    /// <summary>Starts a pipeline of decorators around the generator.</summary>
    /// <param name="innerGenerator">The innermost generator.</param>
    /// <returns>The builder.</returns>
    public static VideoGeneratorBuilder AsBuilder(this IVideoGenerator innerGenerator) => new(innerGenerator);

    /// <summary>Asks for a service.</summary>
    /// <typeparam name="TService">The type of the service.</typeparam>
    /// <param name="generator">The generator.</param>
    /// <param name="serviceKey">An optional key.</param>
    /// <returns>The service, or the type's default if there is none.</returns>
    public static TService? GetService<TService>(this IVideoGenerator generator, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(generator);
        return generator.GetService(typeof(TService), serviceKey) is TService service ? service : default;
    }

    /// <summary>Asks for a service that must be there.</summary>
    /// <typeparam name="TService">The type of the service.</typeparam>
    /// <param name="generator">The generator.</param>
    /// <param name="serviceKey">An optional key.</param>
    /// <returns>The service.</returns>
    /// <exception cref="InvalidOperationException">There is no such service.</exception>
    public static TService GetRequiredService<TService>(this IVideoGenerator generator, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(generator);
        return generator.GetService(typeof(TService), serviceKey) is TService service
            ? service
            : throw new InvalidOperationException($"The video generator offers no service of type '{typeof(TService)}'.");
    }

    /// <summary>Asks for a service that must be there.</summary>
    /// <param name="generator">The generator.</param>
    /// <param name="serviceType">The type of the service.</param>
    /// <param name="serviceKey">An optional key.</param>
    /// <returns>The service.</returns>
    /// <exception cref="InvalidOperationException">There is no such service.</exception>
    public static object GetRequiredService(this IVideoGenerator generator, Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(generator);
        ArgumentNullException.ThrowIfNull(serviceType);
        return generator.GetService(serviceType, serviceKey)
            ?? throw new InvalidOperationException($"The video generator offers no service of type '{serviceType}'.");
    }

    /// <summary>Generates one or more videos, and tells how far it has come.</summary>
    /// <param name="generator">The generator.</param>
    /// <param name="request">What the video shows.</param>
    /// <param name="options">Size, duration, seed and so on; <see langword="null"/> takes the generator's defaults.</param>
    /// <param name="progress">Told of queueing and progress, in order.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>The finished videos.</returns>
    public static Task<VideoGenerationResponse> GenerateAsync(
        this IVideoGenerator generator,
        VideoGenerationRequest request,
        VideoGenerationOptions? options,
        IProgress<VideoGenerationProgress> progress,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(generator);
        ArgumentNullException.ThrowIfNull(progress);
        return Report(generator.GenerateStreamingAsync(request, options, cancellationToken), progress)
            .ToVideoGenerationResponseAsync(cancellationToken);
    }

    /// <summary>Generates a video from text.</summary>
    /// <param name="generator">The generator.</param>
    /// <param name="prompt">A description of the video.</param>
    /// <param name="options">Size, duration, seed and so on.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>The finished videos.</returns>
    public static Task<VideoGenerationResponse> GenerateVideoAsync(
        this IVideoGenerator generator,
        string prompt,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(generator);
        ArgumentNullException.ThrowIfNull(prompt);
        return generator.GenerateAsync(new VideoGenerationRequest(prompt), options, cancellationToken);
    }

    /// <summary>Generates a video from text, and tells how far it has come.</summary>
    /// <param name="generator">The generator.</param>
    /// <param name="prompt">A description of the video.</param>
    /// <param name="progress">Told of queueing and progress, in order.</param>
    /// <param name="options">Size, duration, seed and so on.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>The finished videos.</returns>
    public static Task<VideoGenerationResponse> GenerateVideoAsync(
        this IVideoGenerator generator,
        string prompt,
        IProgress<VideoGenerationProgress> progress,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        return generator.GenerateAsync(new VideoGenerationRequest(prompt), options, progress, cancellationToken);
    }

    /// <summary>Generates a video that starts from an image.</summary>
    /// <param name="generator">The generator.</param>
    /// <param name="startFrame">The image: a <see cref="DataContent"/> or a <see cref="UriContent"/>.</param>
    /// <param name="prompt">A description of the motion.</param>
    /// <param name="options">Size, duration, seed and so on.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>The finished videos.</returns>
    public static Task<VideoGenerationResponse> AnimateImageAsync(
        this IVideoGenerator generator,
        AIContent startFrame,
        string prompt,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(generator);
        ArgumentNullException.ThrowIfNull(startFrame);
        ArgumentNullException.ThrowIfNull(prompt);
        return generator.GenerateAsync(new VideoGenerationRequest(prompt, startFrame), options, cancellationToken);
    }

    /// <summary>Generates a video that starts from the bytes of an image file.</summary>
    /// <param name="generator">The generator.</param>
    /// <param name="startFrame">The bytes of the file.</param>
    /// <param name="mediaType">Its media type, such as <c>image/png</c>.</param>
    /// <param name="prompt">A description of the motion.</param>
    /// <param name="options">Size, duration, seed and so on.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>The finished videos.</returns>
    /// <exception cref="ArgumentException"><paramref name="mediaType"/> is none.</exception>
    public static Task<VideoGenerationResponse> AnimateImageAsync(
        this IVideoGenerator generator,
        ReadOnlyMemory<byte> startFrame,
        string mediaType,
        string prompt,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default) =>
        generator.AnimateImageAsync(new DataContent(startFrame, mediaType), prompt, options, cancellationToken);

    /// <summary>Generates a video that starts from an image file.</summary>
    /// <param name="generator">The generator.</param>
    /// <param name="startFramePath">The path of the file. It is read whole: do not pass on a path that somebody else chose.</param>
    /// <param name="prompt">A description of the motion.</param>
    /// <param name="options">Size, duration, seed and so on.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>The finished videos.</returns>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static async Task<VideoGenerationResponse> AnimateImageAsync(
        this IVideoGenerator generator,
        string startFramePath,
        string prompt,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(generator);
        ArgumentException.ThrowIfNullOrEmpty(startFramePath);
        var image = await LocalFile.ReadImageAsync(startFramePath, cancellationToken).ConfigureAwait(false);
        return await generator.AnimateImageAsync(image, prompt, options, cancellationToken).ConfigureAwait(false);
    }

    private static async IAsyncEnumerable<VideoGenerationResponseUpdate> Report(
        IAsyncEnumerable<VideoGenerationResponseUpdate> updates, IProgress<VideoGenerationProgress> progress)
    {
        await foreach (var update in updates.ConfigureAwait(false))
        {
            if (update.Progress is { } at)
                progress.Report(at);

            yield return update;
        }
    }
}
