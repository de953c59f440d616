using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Marks, in <see cref="ChatOptions.Tools"/>, that the model may generate videos. A
/// <see cref="VideoGeneratingChatClient"/> turns it into functions.
/// </summary>
public class HostedVideoGenerationTool : AITool
{
    /// <inheritdoc/>
    public override string Name => "video_generation";

    /// <inheritdoc/>
    public override string Description => ToolText.GenerateVideo;

    /// <summary>Options for every call, such as a size or a model; what the model asks for wins.</summary>
    public VideoGenerationOptions? Options { get; set; }
}
