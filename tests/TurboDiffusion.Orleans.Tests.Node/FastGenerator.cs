using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Extensions.AI;
using SkiaSharp;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.Orleans.Tests.Node;

/// <summary>
/// A generator without a model: ten steps of a given time, and a frame as its preview, so that no ffmpeg looks for pictures in bytes that
/// are no video. Its videos say which run made them, so that a result that was published twice would show. Prompts that begin with
/// <c>fail</c> fail.
/// </summary>
internal sealed class FastGenerator(TimeSpan duration, string log) : IVideoGenerator
{
    private const int Steps = 10;

    private static readonly DataContent Frame = new(Picture(), "image/png");

    public Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options, CancellationToken cancellationToken) =>
        GenerateStreamingAsync(request, options, cancellationToken).ToVideoGenerationResponseAsync(cancellationToken);

    public async IAsyncEnumerable<VideoGenerationResponseUpdate> GenerateStreamingAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await File.AppendAllTextAsync(log, $"{request.Prompt}\n", cancellationToken);
        for (var step = 1; step <= Steps; step++)
        {
            await Task.Delay(duration / Steps, cancellationToken);
            yield return new VideoGenerationResponseUpdate
            {
                Kind = VideoGenerationResponseUpdateKind.Progress,
                Progress = new VideoGenerationProgress("denoising", step, Steps, 100 * step / Steps),
            };
        }

        if (request.Prompt!.StartsWith("fail", StringComparison.Ordinal))
            throw new InvalidRequestException("prompt", "It was to fail.");

        yield return new VideoGenerationResponseUpdate([Frame]) { Kind = VideoGenerationResponseUpdateKind.VideoUpdating };
        var bytes = Encoding.UTF8.GetBytes($"{request.Prompt} {options?.Seed} {Guid.NewGuid()}");
        yield return new VideoGenerationResponseUpdate([new DataContent(bytes, "video/mp4")])
        {
            Kind = VideoGenerationResponseUpdateKind.VideoUpdated,
        };
    }

    public object? GetService(Type serviceType, object? serviceKey) =>
        serviceType == typeof(VideoGeneratorMetadata) ? new VideoGeneratorMetadata("fast", defaultModelId: "fast") : null;

    public void Dispose()
    {
    }

    private static byte[] Picture()
    {
        using var bitmap = new SKBitmap(8, 8);
        bitmap.Erase(SKColors.SteelBlue);
        using var png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }
}
