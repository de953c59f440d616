using System.Runtime.CompilerServices;
using System.Threading.RateLimiting;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Lets a limited number of calls through at a time. Further calls wait in a bounded queue and are served in the order
/// in which they came; when the queue is full, a call fails at once.
/// </summary>
public sealed class ConcurrencyLimitingVideoGenerator : DelegatingVideoGenerator
{
    private readonly RateLimiter _limiter;
    private readonly bool _ownsLimiter;

    /// <summary>Creates the decorator with a queue of its own.</summary>
    /// <param name="innerGenerator">The generator to pass calls on to.</param>
    /// <param name="maxConcurrent">Calls let through at a time, at least 1.</param>
    /// <param name="maxQueued">Calls that may wait, at least 0.</param>
    public ConcurrencyLimitingVideoGenerator(IVideoGenerator innerGenerator, int maxConcurrent, int maxQueued)
        : base(innerGenerator)
    {
        _limiter = new ConcurrencyLimiter(new ConcurrencyLimiterOptions
        {
            PermitLimit = maxConcurrent,
            QueueLimit = maxQueued,
            QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
        });
        _ownsLimiter = true;
    }

    /// <summary>Creates the decorator with a queue that other generators, on the same device, share.</summary>
    /// <param name="innerGenerator">The generator to pass calls on to.</param>
    /// <param name="sharedLimiter">The shared queue; disposed by whoever created it.</param>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    public ConcurrencyLimitingVideoGenerator(IVideoGenerator innerGenerator, RateLimiter sharedLimiter)
        : base(innerGenerator)
    {
        ArgumentNullException.ThrowIfNull(sharedLimiter);
        _limiter = sharedLimiter;
    }

    /// <inheritdoc/>
    /// <exception cref="VideoGeneratorQueueFullException">The queue is full.</exception>
    /// <exception cref="ObjectDisposedException">The generator was disposed before the call's turn came.</exception>
    public override async Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        using var lease = await _limiter.AcquireAsync(1, cancellationToken).ConfigureAwait(false);
        ThrowIfRefused(lease);
        return await base.GenerateAsync(request, options, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    /// <exception cref="VideoGeneratorQueueFullException">The queue is full.</exception>
    /// <exception cref="ObjectDisposedException">The generator was disposed before the call's turn came.</exception>
    public override async IAsyncEnumerable<VideoGenerationResponseUpdate> GenerateStreamingAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var abandoned = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var acquisition = _limiter.AcquireAsync(1, abandoned.Token).AsTask();
        try
        {
            if (!acquisition.IsCompleted)
            {
                yield return new VideoGenerationResponseUpdate
                {
                    Kind = VideoGenerationResponseUpdateKind.Queued,
                    Progress = new VideoGenerationProgress(null, QueuePosition: Waiting()),
                };
            }

            ThrowIfRefused(await acquisition.ConfigureAwait(false));
            await foreach (var update in base.GenerateStreamingAsync(request, options, cancellationToken)
                .ConfigureAwait(false))
            {
                yield return update;
            }
        }
        finally
        {
            // A reader may leave while it is still queued: its place must not be given to nobody.
            await abandoned.CancelAsync().ConfigureAwait(false);
            await ((Task)acquisition).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (acquisition.IsCompletedSuccessfully)
                acquisition.Result.Dispose();
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && _ownsLimiter)
            _limiter.Dispose();

        base.Dispose(disposing);
    }

    private int Waiting() => (int)Math.Max(1, _limiter.GetStatistics()?.CurrentQueuedCount ?? 1);

    private void ThrowIfRefused(RateLimitLease lease)
    {
        if (lease.IsAcquired)
            return;

        // Throws if the limiter was disposed, which also empties the queue.
        var waiting = _limiter.GetStatistics()?.CurrentQueuedCount;
        throw new VideoGeneratorQueueFullException(
            $"The queue of the video generator is full: {waiting} requests are waiting. Try again later, or allow a longer queue.");
    }
}
