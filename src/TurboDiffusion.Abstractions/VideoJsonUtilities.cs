using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>JSON of the types of this package, without reflection.</summary>
public static class VideoJsonUtilities
{
    /// <summary>
    /// <see cref="AIJsonUtilities.DefaultOptions"/> with source-generated metadata for requests, options, responses, updates and
    /// <see cref="VideoInfo"/>. Read-only.
    /// </summary>
    public static JsonSerializerOptions DefaultOptions { get; } = CreateDefaultOptions();

    /// <summary>A value as JSON.</summary>
    /// <param name="value">The value.</param>
    /// <param name="options">How; null takes <see cref="DefaultOptions"/>.</param>
    /// <returns>The node; null for null.</returns>
    /// <exception cref="NotSupportedException">Nothing is known of the value's type.</exception>
    internal static JsonNode? ToNode(object? value, JsonSerializerOptions? options = null) =>
        value is null ? null : JsonSerializer.SerializeToNode(value, (options ?? DefaultOptions).GetTypeInfo(value.GetType()));

    /// <summary>The type information of a type that <see cref="DefaultOptions"/> knows.</summary>
    internal static JsonTypeInfo<T> TypeInfo<T>() => (JsonTypeInfo<T>)DefaultOptions.GetTypeInfo(typeof(T));

    private static JsonSerializerOptions CreateDefaultOptions()
    {
        var options = new JsonSerializerOptions(AIJsonUtilities.DefaultOptions);
        // After the contents of Microsoft.Extensions.AI, which know their registered kinds, and before its reflection, if it is on.
        options.TypeInfoResolverChain.Insert(1, VideoJsonContext.Default);
        options.MakeReadOnly();
        return options;
    }
}

/// <summary>Metadata that the compiler writes.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(VideoGenerationRequest))]
[JsonSerializable(typeof(VideoGenerationOptions))]
[JsonSerializable(typeof(VideoGenerationResponse))]
[JsonSerializable(typeof(VideoGenerationResponseUpdate))]
[JsonSerializable(typeof(VideoInfo))]
internal sealed partial class VideoJsonContext : JsonSerializerContext;
