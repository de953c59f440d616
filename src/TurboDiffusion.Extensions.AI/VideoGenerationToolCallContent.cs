using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>A model's call for a video, in the place of the function call that carried it.</summary>
/// <param name="callId">Identifies the call.</param>
public sealed class VideoGenerationToolCallContent(string callId) : ToolCallContent(callId)
{
    /// <summary>The function that was called.</summary>
    public required string FunctionName { get; init; }

    /// <summary>What it was called with.</summary>
    public IDictionary<string, object?>? Arguments { get; init; }
}
