using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Caching.Distributed;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Stores finished videos and returns the stored one for the same request, options and seed. A call without a seed asks
/// for a new video each time, so it is passed on and not stored.
/// </summary>
/// <remarks>
/// The key covers everything that shapes the video: the prompts, the bytes of the start frame, the options, the
/// generator's own options object and the model. A stored reference to a file that has since gone is not used.
/// Where the options object of <see cref="VideoGenerationOptions.RawRepresentationFactory"/> cannot be written as JSON,
/// the call is passed on.
/// </remarks>
/// <param name="innerGenerator">The generator to pass calls on to.</param>
/// <param name="storage">Where videos are stored.</param>
public sealed class DistributedCachingVideoGenerator(IVideoGenerator innerGenerator, IDistributedCache storage)
    : DelegatingVideoGenerator(innerGenerator)
{
    private const string KeyVersion = "turbodiffusion-video/1";

    private readonly IDistributedCache _storage = storage ?? throw new ArgumentNullException(nameof(storage));

    /// <summary>How long videos stay in the store; <see langword="null"/> takes the store's default.</summary>
    public DistributedCacheEntryOptions? EntryOptions { get; set; }

    /// <inheritdoc/>
    public override async Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        var key = await KeyAsync(request, options, cancellationToken).ConfigureAwait(false);
        if (key is null)
            return await base.GenerateAsync(request, options, cancellationToken).ConfigureAwait(false);

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
        var key = await KeyAsync(request, options, cancellationToken).ConfigureAwait(false);
        if (key is not null && await ReadAsync(key, cancellationToken).ConfigureAwait(false) is { } stored)
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

        if (key is not null)
            await WriteAsync(key, finished.ToVideoGenerationResponse(), cancellationToken).ConfigureAwait(false);
    }

    private async Task<VideoGenerationResponse?> ReadAsync(string key, CancellationToken cancellationToken)
    {
        if (await _storage.GetAsync(key, cancellationToken).ConfigureAwait(false) is not { } bytes)
            return null;

        var response = JsonSerializer.Deserialize<VideoGenerationResponse>(bytes, AIJsonUtilities.DefaultOptions);
        return response is not null && response.Contents.All(IsThere) ? response : null;
    }

    private Task WriteAsync(string key, VideoGenerationResponse response, CancellationToken cancellationToken) =>
        _storage.SetAsync(
            key,
            JsonSerializer.SerializeToUtf8Bytes(response, AIJsonUtilities.DefaultOptions),
            EntryOptions ?? new DistributedCacheEntryOptions(),
            cancellationToken);

    private static bool IsThere(AIContent content) =>
        content is not UriContent { Uri: { IsAbsoluteUri: true, IsFile: true } uri } || File.Exists(uri.LocalPath);

    private async Task<string?> KeyAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (options?.Seed is null)
            return null;

        var hashes = new Dictionary<AIContent, string>(ReferenceEqualityComparer.Instance);
        foreach (var content in Contents(request, options))
            hashes[content] = await HashAsync(content, cancellationToken).ConfigureAwait(false);

        try
        {
            // Previews do not change the finished video.
            var plain = options.Clone();
            plain.StreamingCount = null;
            var metadata = this.GetService<VideoGeneratorMetadata>();
            var json = RequestJson.Create(request, plain, content => hashes[content]);
            json["version"] = KeyVersion;
            json["provider"] = metadata?.ProviderName;
            json["defaultModel"] = metadata?.DefaultModelId;
            json["modelVariant"] = metadata?.ModelVariant;
            if (options.RawRepresentationFactory?.Invoke(InnerGenerator) is { } raw)
            {
                json["raw"] = JsonSerializer.SerializeToNode(raw, raw.GetType(), AIJsonUtilities.DefaultOptions);
                json["rawType"] = raw.GetType().FullName;
            }

            return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Canonical(json)!.ToJsonString())));
        }
        catch (Exception exception) when (exception is NotSupportedException or JsonException)
        {
            return null;
        }
    }

    private static IEnumerable<AIContent> Contents(VideoGenerationRequest request, VideoGenerationOptions options)
    {
        var additional = options.AdditionalProperties?.Values.OfType<AIContent>() ?? [];
        return request.StartFrame is null ? additional : additional.Prepend(request.StartFrame);
    }

    private static async Task<string> HashAsync(AIContent content, CancellationToken cancellationToken)
    {
        switch (content)
        {
            case DataContent data:
                return Convert.ToHexStringLower(SHA256.HashData(data.Data.Span));
            case UriContent { Uri: { IsAbsoluteUri: true, IsFile: true } uri } when File.Exists(uri.LocalPath):
                // The file's contents count, not its name.
                await using (var file = File.OpenRead(uri.LocalPath))
                    return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken).ConfigureAwait(false));
            default:
                return JsonSerializer.Serialize(content, AIJsonUtilities.DefaultOptions);
        }
    }

    /// <summary>The same JSON with the properties of every object in ordinal order.</summary>
    private static JsonNode? Canonical(JsonNode? node) => node switch
    {
        JsonObject json => new JsonObject(json
            .OrderBy(property => property.Key, StringComparer.Ordinal)
            .Select(property => KeyValuePair.Create(property.Key, Canonical(property.Value)))),
        JsonArray json => new JsonArray([.. json.Select(Canonical)]),
        _ => node?.DeepClone(),
    };
}
