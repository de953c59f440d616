using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>The videos of a model's call, in the place of the function result that carried them.</summary>
/// <param name="callId">Identifies the call.</param>
public sealed class VideoGenerationToolResultContent(string callId) : ToolResultContent(callId)
{
    /// <summary>The videos: <see cref="UriContent"/> or <see cref="DataContent"/>. Empty or null if the call failed.</summary>
    public IList<AIContent>? Outputs { get; set; } = [];

    /// <summary>What the model was told of the videos.</summary>
    public string? Summary { get; init; }
}
