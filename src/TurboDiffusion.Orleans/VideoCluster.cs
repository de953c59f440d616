using System.Text.Json;
using System.Text.Json.Serialization;

namespace TurboDiffusion.Orleans;

/// <summary>Names that the parts of a cluster share.</summary>
internal static class VideoCluster
{
    /// <summary>The grain storage.</summary>
    public const string Storage = "videos";

    /// <summary>How jobs are stored and sent: readable, and by an older or newer version too.</summary>
    public static void ConfigureJson(JsonSerializerOptions json)
    {
        json.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        json.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        json.Converters.Add(new JsonStringEnumConverter());
    }

    /// <summary>The key of an owner's grain; an owner may have no name.</summary>
    public static string KeyOf(string owner) => $"owner/{owner}";
}
