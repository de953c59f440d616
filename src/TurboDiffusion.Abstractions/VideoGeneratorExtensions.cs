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
}
