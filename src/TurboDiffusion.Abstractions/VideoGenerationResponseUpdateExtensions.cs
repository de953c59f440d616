using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Combines streaming updates into a response.</summary>
public static class VideoGenerationResponseUpdateExtensions
{
    /// <summary>Combines updates into one response. Previews, partial frames and progress are left out.</summary>
    /// <param name="updates">The updates of one streaming call.</param>
    /// <returns>The finished videos.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="updates"/> is <see langword="null"/>.</exception>
    public static VideoGenerationResponse ToVideoGenerationResponse(
        this IEnumerable<VideoGenerationResponseUpdate> updates)
    {
        ArgumentNullException.ThrowIfNull(updates);

        var response = new VideoGenerationResponse();
        foreach (var update in updates)
            Add(response, update);

        return response;
    }

    /// <summary>Reads all updates and combines them into one response. Nothing but the finished videos is kept.</summary>
    /// <param name="updates">The updates of one streaming call.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>The finished videos.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="updates"/> is <see langword="null"/>.</exception>
    public static Task<VideoGenerationResponse> ToVideoGenerationResponseAsync(
        this IAsyncEnumerable<VideoGenerationResponseUpdate> updates, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(updates);
        return Combine();

        async Task<VideoGenerationResponse> Combine()
        {
            var response = new VideoGenerationResponse();
            await foreach (var update in updates.WithCancellation(cancellationToken).ConfigureAwait(false))
                Add(response, update);

            return response;
        }
    }

    private static void Add(VideoGenerationResponse response, VideoGenerationResponseUpdate update)
    {
        response.ResponseId = update.ResponseId ?? response.ResponseId;
        response.ModelId = update.ModelId ?? response.ModelId;
        if (update.Kind != VideoGenerationResponseUpdateKind.VideoUpdated)
            return;

        foreach (var content in update.Contents)
        {
            if (content is UsageContent usage)
                (response.Usage ??= new UsageDetails()).Add(usage.Details);
            else
                response.Contents.Add(content);
        }

        response.RawRepresentation = update.RawRepresentation ?? response.RawRepresentation;
        foreach (var (key, value) in update.AdditionalProperties ?? [])
            (response.AdditionalProperties ??= [])[key] = value;
    }
}
