using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// The contents of <c>gen_ai.input.messages</c> and <c>gen_ai.output.messages</c>. A blob part tells its size instead
/// of its bytes.
/// </summary>
internal static class TelemetryMessages
{
    public static string Input(VideoGenerationRequest request)
    {
        var parts = new JsonArray();
        if (request.Prompt is not null)
            parts.Add(Text(request.Prompt));
        if (request.NegativePrompt is not null)
            parts.Add(Text(request.NegativePrompt, "negative_prompt"));
        if (request.StartFrame is not null)
            parts.Add(Part(request.StartFrame));
        if (request.EndFrame is not null)
            parts.Add(Part(request.EndFrame));

        return Message("user", parts);
    }

    public static string Output(VideoGenerationResponse response) =>
        Message("assistant", new JsonArray([.. response.Contents.Select(Part)]));

    private static string Message(string role, JsonArray parts) =>
        new JsonArray(new JsonObject { ["role"] = role, ["parts"] = parts }).ToJsonString();

    private static JsonNode Text(string text, string type = "text") => new JsonObject { ["type"] = type, ["content"] = text };

    private static JsonNode Part(AIContent content) => content switch
    {
        DataContent data => new JsonObject
        {
            ["type"] = "blob",
            ["modality"] = Modality(data.MediaType),
            ["mime_type"] = data.MediaType,
            ["bytes"] = data.Data.Length,
        },
        UriContent uri => new JsonObject
        {
            ["type"] = "uri",
            ["modality"] = Modality(uri.MediaType),
            ["mime_type"] = uri.MediaType,
            ["uri"] = uri.Uri.OriginalString,
        },
        _ => new JsonObject { ["type"] = content.GetType().Name },
    };

    private static string Modality(string mediaType) => mediaType.Split('/')[0];
}
