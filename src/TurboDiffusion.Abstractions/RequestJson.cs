using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Requests, options and contents as JSON, in which a caller-chosen node stands for image and video bytes.</summary>
internal static class RequestJson
{
    public static JsonObject Create(
        VideoGenerationRequest request, VideoGenerationOptions? options, Func<AIContent, JsonNode?> describe)
    {
        var json = new JsonObject
        {
            ["prompt"] = request.Prompt,
            ["negativePrompt"] = request.NegativePrompt,
            ["startFrame"] = request.StartFrame is null ? null : describe(request.StartFrame),
        };
        if (options is null)
            return json;

        var plain = options.Clone();
        plain.AdditionalProperties = null;
        json["options"] = VideoJsonUtilities.ToNode(plain);
        var additional = new JsonObject();
        foreach (var (key, value) in options.AdditionalProperties ?? [])
            additional[key] = value is AIContent content ? describe(content) : VideoJsonUtilities.ToNode(value);

        json["additionalProperties"] = additional;
        return json;
    }

    public static JsonArray Describe(IEnumerable<AIContent> contents) => new([.. contents.Select(Describe)]);

    /// <summary>Type, media type and size or address of a content; never its bytes.</summary>
    public static JsonNode Describe(AIContent content) => content switch
    {
        DataContent data => new JsonObject { ["mediaType"] = data.MediaType, ["bytes"] = data.Data.Length },
        UriContent uri => new JsonObject { ["mediaType"] = uri.MediaType, ["uri"] = uri.Uri.OriginalString },
        _ => new JsonObject { ["type"] = content.GetType().Name },
    };
}
