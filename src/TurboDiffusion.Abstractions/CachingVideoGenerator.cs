using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Base of the decorators that return the stored video for the same request, options and seed. A call without a seed asks for a new
/// video each time, so it is passed on and not stored.
/// </summary>
/// <remarks>
/// <para>
/// The key covers everything that shapes the video: the prompts, the bytes of the start frame, the options, the generator's own options
/// object, the model's name and, where the generator tells it, its <see cref="IVideoModelFingerprint"/>. Where an option cannot be written
/// as JSON, the call is passed on.
/// </para>
/// <para>
/// A store may be shared, and so may hold what others wrote. An entry that cannot be read counts as absent. Only bytes of videos and
/// images, and files directly inside the generator's own <see cref="VideoGeneratorMetadata.OutputDirectory"/>, are stored and taken from an
/// entry; no other address is.
/// </para>
/// </remarks>
public abstract class CachingVideoGenerator : DelegatingVideoGenerator
{
    private const string KeyVersion = "turbodiffusion-video/2";

    /// <summary>Wraps a generator.</summary>
    /// <param name="innerGenerator">The generator to pass calls on to.</param>
    protected CachingVideoGenerator(IVideoGenerator innerGenerator)
        : base(innerGenerator)
    {
    }

    /// <summary>The key of a call.</summary>
    /// <param name="request">The request.</param>
    /// <param name="options">Its options.</param>
    /// <param name="cancellationToken">Ends the reading of files.</param>
    /// <returns>64 hexadecimal digits, or <see langword="null"/> for a call that is not to be stored.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="request"/> is <see langword="null"/>.</exception>
    protected async ValueTask<string?> GetCacheKeyAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (options?.Seed is null)
            return null;

        var hashes = new Dictionary<AIContent, string>(ReferenceEqualityComparer.Instance);
        try
        {
            foreach (var content in Contents(request, options))
                hashes[content] = await HashAsync(content, cancellationToken).ConfigureAwait(false);

            // Previews do not change the finished video.
            var plain = options.Clone();
            plain.StreamingCount = null;
            var json = RequestJson.Create(request, plain, content => hashes[content]);
            json["version"] = KeyVersion;
            json["provider"] = Metadata?.ProviderName;
            json["providerUri"] = Metadata?.ProviderUri?.OriginalString;
            json["defaultModel"] = Metadata?.DefaultModelId;
            if (options.RawRepresentationFactory?.Invoke(InnerGenerator) is { } raw)
            {
                json["raw"] = VideoJsonUtilities.ToNode(raw);
                json["rawType"] = raw.GetType().FullName;
            }

            // Last: it may read all weights.
            if (this.GetService<IVideoModelFingerprint>() is { } model)
                json["fingerprint"] = await model.GetFingerprintAsync(cancellationToken).ConfigureAwait(false);

            return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Canonical(json)!.ToJsonString())));
        }
        catch (Exception exception) when (exception is NotSupportedException or JsonException)
        {
            return null;
        }
    }

    /// <summary>A response as an entry of the store.</summary>
    /// <param name="response">The response.</param>
    /// <returns>The entry, or <see langword="null"/> for a response that is not to be stored.</returns>
    protected byte[]? ToEntry(VideoGenerationResponse response)
    {
        ArgumentNullException.ThrowIfNull(response);
        return response.Contents.Count > 0 && response.Contents.All(IsStorable)
            ? JsonSerializer.SerializeToUtf8Bytes(response, VideoJsonUtilities.TypeInfo<VideoGenerationResponse>())
            : null;
    }

    /// <summary>The response of an entry.</summary>
    /// <param name="entry">What the store holds, which anybody may have written; <see langword="null"/> for nothing.</param>
    /// <returns>The response, or <see langword="null"/> where there is none that can be used.</returns>
    protected VideoGenerationResponse? FromEntry(ReadOnlySpan<byte> entry)
    {
        if (entry.IsEmpty)
            return null;

        try
        {
            var response = JsonSerializer.Deserialize(entry, VideoJsonUtilities.TypeInfo<VideoGenerationResponse>());
            return response is { Contents.Count: > 0 } && response.Contents.All(IsStorable) ? response : null;
        }
#pragma warning disable CA1031 // Whatever is wrong with it, it is no entry.
        catch (Exception)
#pragma warning restore CA1031
        {
            return null;
        }
    }

    private VideoGeneratorMetadata? Metadata => this.GetService<VideoGeneratorMetadata>();

    private bool IsStorable(AIContent? content) => content switch
    {
        DataContent data => IsVideo(data.MediaType),
        UriContent { Uri: { IsAbsoluteUri: true, IsFile: true } uri } file => IsVideo(file.MediaType) && IsOwnFile(uri.LocalPath),
        _ => false,
    };

    // Pictures that can hold programs are none.
    private static bool IsVideo(string mediaType) =>
        mediaType.StartsWith("video/", StringComparison.OrdinalIgnoreCase)
        || mediaType.ToLowerInvariant() is "image/gif" or "image/png" or "image/webp" or "image/apng";

    private bool IsOwnFile(string path)
    {
        if (Metadata?.OutputDirectory is not { } folder)
            return false;

        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        return Path.GetDirectoryName(full) == Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))
            && Path.Exists(full)
            && new FileInfo(full).LinkTarget is null;
    }

    private static IEnumerable<AIContent> Contents(VideoGenerationRequest request, VideoGenerationOptions options)
    {
        if (request.StartFrame is not null)
            yield return request.StartFrame;
        if (request.EndFrame is not null)
            yield return request.EndFrame;

        foreach (var content in (options.AdditionalProperties ?? []).Values.OfType<AIContent>())
            yield return content;
    }

    private static async Task<string> HashAsync(AIContent content, CancellationToken cancellationToken)
    {
        switch (content)
        {
            case DataContent data:
                return Convert.ToHexStringLower(SHA256.HashData(data.Data.Span));
            case UriContent when LocalFile.PathOf(content) is { } path && File.Exists(path):
                // The file's contents count, not its name.
                await using (var file = LocalFile.Open(path))
                    return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken).ConfigureAwait(false));
            default:
                return JsonSerializer.Serialize(content, VideoJsonUtilities.TypeInfo<AIContent>());
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
