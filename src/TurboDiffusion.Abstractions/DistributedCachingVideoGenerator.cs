using System.Runtime.CompilerServices;
using Microsoft.Extensions.Caching.Distributed;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Stores finished videos in an <see cref="IDistributedCache"/> and returns the stored one for the same request, options and seed; see
/// <see cref="CachingVideoGenerator"/>. Equal calls at the same time each generate: <see cref="HybridCachingVideoGenerator"/> lets them
/// share.
/// </summary>
/// <param name="innerGenerator">The generator to pass calls on to.</param>
/// <param name="storage">Where videos are stored.</param>
public sealed class DistributedCachingVideoGenerator(IVideoGenerator innerGenerator, IDistributedCache storage)
    : CachingVideoGenerator(innerGenerator)
{
    private readonly IDistributedCache _storage = storage ?? throw new ArgumentNullException(nameof(storage));

    /// <summary>How long videos stay in the store; <see langword="null"/> takes the store's default.</summary>
    public DistributedCacheEntryOptions? EntryOptions { get; set; }

    /// <inheritdoc/>
    public override async Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        var key = await GetCacheKeyAsync(request, options, cancellationToken).ConfigureAwait(false);
        if (await ReadAsync(key, cancellationToken).ConfigureAwait(false) is { } stored)
            return stored;

        var response = await base.GenerateAsync(request, options, cancellationToken).ConfigureAwait(false);
        await WriteAsync(key, response, cancellationToken).ConfigureAwait(false);
        return response;
    }

    /// <inheritdoc/>
    public override async IAsyncEnumerable<VideoGenerationResponseUpdate> GenerateStreamingAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var key = await GetCacheKeyAsync(request, options, cancellationToken).ConfigureAwait(false);
        if (await ReadAsync(key, cancellationToken).ConfigureAwait(false) is { } stored)
        {
            foreach (var update in stored.ToVideoGenerationResponseUpdates())
                yield return update;

            yield break;
        }

        var finished = new List<VideoGenerationResponseUpdate>();
        await foreach (var update in base.GenerateStreamingAsync(request, options, cancellationToken)
            .ConfigureAwait(false))
        {
            if (update.Kind == VideoGenerationResponseUpdateKind.VideoUpdated)
                finished.Add(update);

            yield return update;
        }

        await WriteAsync(key, finished.ToVideoGenerationResponse(), cancellationToken).ConfigureAwait(false);
    }

    private async Task<VideoGenerationResponse?> ReadAsync(string? key, CancellationToken cancellationToken) =>
        key is null ? null : FromEntry(await _storage.GetAsync(key, cancellationToken).ConfigureAwait(false));

    private async Task WriteAsync(string? key, VideoGenerationResponse response, CancellationToken cancellationToken)
    {
        if (key is not null && ToEntry(response) is { } entry)
            await _storage.SetAsync(key, entry, EntryOptions ?? new DistributedCacheEntryOptions(), cancellationToken)
                .ConfigureAwait(false);
    }
}
