using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.Extensions.Tests;

/// <summary>A generator whose every answer is given by the test.</summary>
internal sealed class TestVideoGenerator : IVideoGenerator, IVideoModelFingerprint
{
    private int _calls;

    public int Calls => _calls;

    public bool IsDisposed { get; private set; }

    public VideoGeneratorMetadata Metadata { get; init; } = new("test", defaultModelId: "test-model");

    public string? Fingerprint { get; set; }

    public Func<VideoGenerationRequest, VideoGenerationOptions?, CancellationToken, Task<VideoGenerationResponse>> OnGenerate { get; set; }
        =
        (_, _, _) => Task.FromResult(Videos.Response());

    public Func<VideoGenerationRequest, VideoGenerationOptions?, CancellationToken, IAsyncEnumerable<VideoGenerationResponseUpdate>>
        OnStream { get; set; } =
        (_, _, _) => Videos.Updates().ToAsyncEnumerable();

    public Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _calls);
        return OnGenerate(request, options, cancellationToken);
    }

    public IAsyncEnumerable<VideoGenerationResponseUpdate> GenerateStreamingAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _calls);
        return OnStream(request, options, cancellationToken);
    }

    public object? GetService(Type serviceType, object? serviceKey) =>
        serviceKey is not null ? null
        : serviceType == typeof(VideoGeneratorMetadata) ? Metadata
        : serviceType == typeof(IVideoModelFingerprint) && Fingerprint is null ? null
        : serviceType.IsInstanceOfType(this) ? this : null;

    public ValueTask<string> GetFingerprintAsync(CancellationToken cancellationToken) => new(Fingerprint!);

    public void Dispose() => IsDisposed = true;
}
