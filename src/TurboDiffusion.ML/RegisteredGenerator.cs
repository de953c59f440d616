using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.ML;

/// <summary>A generator that is created when it is first needed, and used by one row at a time.</summary>
internal sealed class RegisteredGenerator(Func<IVideoGenerator> factory)
{
    private readonly Lazy<IVideoGenerator> _generator = new(factory);

    // ML.NET reads several rows at once where all columns asked for are text or numbers.
    private readonly SemaphoreSlim _turn = new(1);

    public async Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions options,
        IProgress<VideoGenerationProgress>? progress,
        CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (progress is null)
                return await _generator.Value.GenerateAsync(request, options, cancellationToken).ConfigureAwait(false);

            return await Report(_generator.Value.GenerateStreamingAsync(request, options, cancellationToken), progress)
                .ToVideoGenerationResponseAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
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
