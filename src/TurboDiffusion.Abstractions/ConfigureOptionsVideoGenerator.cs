namespace TurboDiffusion.Extensions.AI;

/// <summary>Sets options on every call, on a copy: the caller's options stay as they are.</summary>
/// <param name="innerGenerator">The generator to pass calls on to.</param>
/// <param name="configure">Changes the copy of the options; it runs on every call.</param>
public sealed class ConfigureOptionsVideoGenerator(
    IVideoGenerator innerGenerator, Action<VideoGenerationOptions> configure)
    : DelegatingVideoGenerator(innerGenerator)
{
    private readonly Action<VideoGenerationOptions> _configure =
        configure ?? throw new ArgumentNullException(nameof(configure));

    /// <inheritdoc/>
    public override Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default) =>
        base.GenerateAsync(request, Configure(options), cancellationToken);

    /// <inheritdoc/>
    public override IAsyncEnumerable<VideoGenerationResponseUpdate> GenerateStreamingAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default) =>
        base.GenerateStreamingAsync(request, Configure(options), cancellationToken);

    /// <inheritdoc/>
    public override object? GetService(Type serviceType, object? serviceKey = null) =>
        base.GetService(serviceType, serviceKey) is var service && serviceType == typeof(IVideoRequestCheck)
            && service is IVideoRequestCheck check ? new ConfiguredCheck(check, Configure) : service;

    private VideoGenerationOptions Configure(VideoGenerationOptions? options)
    {
        options = options?.Clone() ?? new VideoGenerationOptions();
        _configure(options);
        return options;
    }

    /// <summary>Checks with the options that the generator will be given.</summary>
    private sealed class ConfiguredCheck(IVideoRequestCheck inner, Func<VideoGenerationOptions?, VideoGenerationOptions> configure)
        : IVideoRequestCheck
    {
        public ValueTask<VideoInfo> CheckAsync(
            VideoGenerationRequest request, VideoGenerationOptions? options, CancellationToken cancellationToken) =>
            inner.CheckAsync(request, configure(options), cancellationToken);
    }
}
