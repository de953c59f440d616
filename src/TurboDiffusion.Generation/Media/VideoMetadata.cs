using System.Text.Encodings.Web;
using System.Text.Json;

namespace TurboDiffusion.Generation.Media;

/// <summary>Where a video came from; written into the file.</summary>
/// <param name="Prompt">The text that it was generated from.</param>
/// <param name="Seed">The seed of its noise.</param>
/// <param name="Model">The model's identity.</param>
/// <param name="Version">The version of this software.</param>
public sealed record VideoMetadata(string Prompt, ulong Seed, string Model, string Version)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        // The text goes into media files and a .json file, never into HTML: prompts stay readable in every script.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The metadata as one line of JSON with the keys prompt, seed, model and version.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <param name="json">One JSON object.</param>
    /// <exception cref="JsonException">The text is not such an object.</exception>
    public static VideoMetadata FromJson(string json) =>
        JsonSerializer.Deserialize<VideoMetadata>(json, Json) ?? throw new JsonException("The metadata is null.");
}
