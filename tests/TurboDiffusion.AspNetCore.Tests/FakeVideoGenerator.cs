using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using SkiaSharp;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>
/// A generator that needs no model: four steps, each held while the test says so, a picture of the first, two frames as previews, and bytes
/// that tell the prompt and the seed.
/// </summary>
internal sealed class FakeVideoGenerator(string name = "fake") : IVideoGenerator
{
    private const int Steps = 4;

    private volatile TaskCompletionSource _gate = Opened();

    /// <summary>What it was asked for, in order.</summary>
    public ConcurrentQueue<(VideoGenerationRequest Request, VideoGenerationOptions Options)> Calls { get; } = [];

    /// <summary>Prompts of runs that were cancelled.</summary>
    public ConcurrentQueue<string?> Cancelled { get; } = [];

    /// <summary>Fails runs by their prompt.</summary>
    public Func<string?, Exception?> Failure { get; set; } = _ => null;

    /// <summary>The bytes of a video by its prompt and seed.</summary>
    public Func<string, long?, byte[]> Bytes { get; set; } = Video;

    /// <summary>What is said of a prompt.</summary>
    public Func<string?, string?> Note { get; set; } = _ => null;

    /// <summary>Holds every run at its next step.</summary>
    public void Hold() => _gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Lets the runs go on.</summary>
    public void Release() => _gate.TrySetResult();

    public Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options, CancellationToken cancellationToken) =>
        GenerateStreamingAsync(request, options, cancellationToken).ToVideoGenerationResponseAsync(cancellationToken);

    public async IAsyncEnumerable<VideoGenerationResponseUpdate> GenerateStreamingAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        options ??= new VideoGenerationOptions();
        Calls.Enqueue((request, options));
        using var end = new EndOfRun(() =>
        {
            if (cancellationToken.IsCancellationRequested)
                Cancelled.Enqueue(request.Prompt);
        });
        for (var step = 1; step <= Steps; step++)
        {
            await _gate.Task.WaitAsync(cancellationToken);
            if (Failure(request.Prompt) is { } failure)
                throw failure;

            yield return new VideoGenerationResponseUpdate
            {
                Kind = VideoGenerationResponseUpdateKind.Progress,
                Progress = new VideoGenerationProgress(
                    "denoising", step, Steps, 100 * step / Steps, TimeSpan.FromSeconds(step), TimeSpan.FromSeconds(Steps - step)),
            };
            // What the first step predicts, and two frames.
            if (step == 1 && options.StreamingCount > 0)
            {
                yield return new VideoGenerationResponseUpdate([new DataContent(Picture(64, 32, 20), "image/png")])
                {
                    Kind = VideoGenerationResponseUpdateKind.VideoUpdating,
                    Progress = new VideoGenerationProgress("denoising", step, Steps),
                };
            }

            if (step % 2 == 0 && options.StreamingCount > 0)
            {
                yield return new VideoGenerationResponseUpdate([new DataContent(Picture(64, 32, (byte)(60 * step)), "image/png")])
                {
                    Kind = VideoGenerationResponseUpdateKind.VideoUpdating,
                };
            }
        }

        var size = options.VideoSize ?? new(64, 32);
        yield return new VideoGenerationResponseUpdate(
            [new DataContent(Bytes(request.Prompt!, options.Seed), "video/mp4")
                .WithVideoInfo(new VideoInfo(size.Width, size.Height, 17, 16, options.Seed, Note(request.Prompt)))])
        {
            Kind = VideoGenerationResponseUpdateKind.VideoUpdated,
            ModelId = name,
        };
    }

    public object? GetService(Type serviceType, object? serviceKey) =>
        serviceType == typeof(VideoGeneratorMetadata) ? new VideoGeneratorMetadata("fake", defaultModelId: name)
        : serviceType.IsInstanceOfType(this) ? this : null;

    public void Dispose() => Release();

    /// <summary>The video of a prompt and a seed.</summary>
    public static byte[] Video(string prompt, long? seed) =>
        [.. "a video of "u8, .. System.Text.Encoding.UTF8.GetBytes($"{prompt}, seed {seed}")];

    /// <summary>A PNG of one colour.</summary>
    public static byte[] Picture(int width, int height, byte red)
    {
        using var bitmap = new SKBitmap(width, height);
        bitmap.Erase(new SKColor(red, 100, 150));
        using var png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }

    private sealed class EndOfRun(Action action) : IDisposable
    {
        public void Dispose() => action();
    }

    private static TaskCompletionSource Opened()
    {
        var gate = new TaskCompletionSource();
        gate.SetResult();
        return gate;
    }
}
