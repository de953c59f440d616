namespace TurboDiffusion.Extensions.AI;

/// <summary>Generates videos from text, and from a start frame.</summary>
/// <remarks>
/// <para>
/// The shape is that of <c>IImageGenerator</c> in Microsoft.Extensions.AI, with the streaming call of its speech
/// interfaces. The type names follow the draft of dotnet/extensions#7420; that draft's poll-and-download operation is
/// left out, because generation in the same process has no remote job.
/// </para>
/// <para>
/// Implementations are safe for concurrent use. The caller leaves request and options unchanged until the call ends.
/// </para>
/// </remarks>
public interface IVideoGenerator : IDisposable
{
    /// <summary>Generates one or more videos and returns them when all are finished.</summary>
    /// <param name="request">What the video shows.</param>
    /// <param name="options">Size, duration, seed and so on; <see langword="null"/> takes the generator's defaults.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>The finished videos.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="request"/> is <see langword="null"/>.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default);

    /// <summary>Generates one or more videos and reports queueing, progress, previews and results as they come.</summary>
    /// <param name="request">What the video shows.</param>
    /// <param name="options">Size, duration, seed and so on; <see langword="null"/> takes the generator's defaults.</param>
    /// <param name="cancellationToken">Ends the generation; so does leaving the enumeration early.</param>
    /// <returns>The updates, in order. The last ones carry the finished videos.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="request"/> is <see langword="null"/>.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    IAsyncEnumerable<VideoGenerationResponseUpdate> GenerateStreamingAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default);

    /// <summary>Asks the generator, and those inside it, for a service such as <see cref="VideoGeneratorMetadata"/>.</summary>
    /// <param name="serviceType">The type of the service.</param>
    /// <param name="serviceKey">An optional key.</param>
    /// <returns>The service, or <see langword="null"/> if there is none.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="serviceType"/> is <see langword="null"/>.</exception>
    object? GetService(Type serviceType, object? serviceKey = null);
}
