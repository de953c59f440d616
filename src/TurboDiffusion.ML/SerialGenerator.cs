using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.ML;

/// <summary>A generator that is created when it is first needed, and used by one row at a time.</summary>
/// <param name="factory">Creates it; called again after it failed.</param>
internal sealed class SerialGenerator(Func<IVideoGenerator> factory)
{
    // ML.NET reads several rows at once where all columns asked for are text or numbers.
    private readonly SemaphoreSlim _turn = new(1);
    private IVideoGenerator? _generator;

    /// <summary>The generator, where it was created.</summary>
    public IVideoGenerator? Created => _generator;

    public async Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions options,
        IProgress<VideoGenerationProgress>? progress,
        CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            _generator ??= factory();
            return progress is null
                ? await _generator.GenerateAsync(request, options, cancellationToken).ConfigureAwait(false)
                : await _generator.GenerateAsync(request, options, progress, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }
}
