using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Requests, options and contents as JSON, in which a caller-chosen node stands for image and video bytes.</summary>
internal static class RequestJson
{
    public static JsonObject Create(
        VideoGenerationRequest request, VideoGenerationOptions? options,
        Func<AIContent, JsonNode?> describe, Func<object?, JsonNode?>? write = null)
    {
        write ??= value => VideoJsonUtilities.ToNode(value);
        var json = new JsonObject
        {
            ["prompt"] = request.Prompt,
            ["negativePrompt"] = request.NegativePrompt,
            ["startFrame"] = request.StartFrame is null ? null : describe(request.StartFrame),
        };
        // Not there where it is not given: keys of requests without one stay what they were.
        if (request.EndFrame is not null)
            json["endFrame"] = describe(request.EndFrame);
        if (options is null)
            return json;

        var plain = options.Clone();
        plain.AdditionalProperties = null;
        json["options"] = write(plain);
        var additional = new JsonObject();
        foreach (var (key, value) in options.AdditionalProperties ?? [])
            additional[key] = value is AIContent content ? describe(content) : write(value);

        json["additionalProperties"] = additional;
        return json;
    }

    /// <summary>For people: what cannot be written is told by its type.</summary>
    public static JsonObject Describe(VideoGenerationRequest request, VideoGenerationOptions? options, JsonSerializerOptions json) =>
        Create(request, options, Describe, value =>
        {
            try
            {
                return VideoJsonUtilities.ToNode(value, json);
            }
            catch (Exception exception) when (exception is NotSupportedException or JsonException)
            {
                return JsonValue.Create(value!.GetType().ToString());
            }
        });

    public static JsonArray Describe(IEnumerable<AIContent> contents) => new([.. contents.Select(Describe)]);

    /// <summary>Type, media type and size or address of a content; never its bytes.</summary>
    public static JsonNode Describe(AIContent content) => content switch
    {
        DataContent data => new JsonObject { ["mediaType"] = data.MediaType, ["bytes"] = data.Data.Length },
        UriContent uri => new JsonObject { ["mediaType"] = uri.MediaType, ["uri"] = uri.Uri.OriginalString },
        _ => new JsonObject { ["type"] = content.GetType().Name },
    };
}
