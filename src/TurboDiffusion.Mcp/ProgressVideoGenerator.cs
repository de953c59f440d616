using ModelContextProtocol;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.Mcp;

/// <summary>Tells the client of a call how far it has come. It owns nothing: the generator outlives the call.</summary>
internal sealed class ProgressVideoGenerator(IVideoGenerator inner, IProgress<ProgressNotificationValue> progress) : IVideoGenerator
{
    private const float Whole = 100;

    public async Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options, CancellationToken cancellationToken)
    {
        var finished = new List<VideoGenerationResponseUpdate>();
        await foreach (var update in inner.GenerateStreamingAsync(request, options, cancellationToken).ConfigureAwait(false))
        {
            if (update.Kind == VideoGenerationResponseUpdateKind.VideoUpdated)
                finished.Add(update);
            if (update.Progress is { } now)
                progress.Report(new ProgressNotificationValue { Progress = now.PercentComplete ?? 0, Total = Whole, Message = Words(now) });
        }

        return finished.ToVideoGenerationResponse();
    }

    public IAsyncEnumerable<VideoGenerationResponseUpdate> GenerateStreamingAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options, CancellationToken cancellationToken) =>
        inner.GenerateStreamingAsync(request, options, cancellationToken);

    public object? GetService(Type serviceType, object? serviceKey) => inner.GetService(serviceType, serviceKey);

    public void Dispose()
    {
    }

    private static string Words(VideoGenerationProgress now) =>
        now.QueuePosition is { } position ? $"waiting, number {position}"
        : now.Remaining is { } left ? $"{now.Stage}, about {Math.Ceiling(left.TotalSeconds)} s left" : now.Stage ?? "waiting";
}
