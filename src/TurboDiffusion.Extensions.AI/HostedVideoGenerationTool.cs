using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Marks, in <see cref="ChatOptions.Tools"/>, that the model may generate videos. A
/// <see cref="VideoGeneratingChatClient"/> turns it into functions.
/// </summary>
public class HostedVideoGenerationTool : AITool
{
    private readonly IReadOnlyDictionary<string, object?>? _additionalProperties;

    /// <summary>Creates the marker.</summary>
    public HostedVideoGenerationTool()
    {
    }

    /// <summary>Creates the marker with further properties.</summary>
    /// <param name="additionalProperties">The properties.</param>
    public HostedVideoGenerationTool(IReadOnlyDictionary<string, object?>? additionalProperties) =>
        _additionalProperties = additionalProperties;

    /// <inheritdoc/>
    public override string Name => "video_generation";

    /// <inheritdoc/>
    public override string Description => ToolText.GenerateVideo;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, object?> AdditionalProperties => _additionalProperties ?? base.AdditionalProperties;

    /// <summary>Options for every call, such as a size or a model; what the model asks for wins.</summary>
    public VideoGenerationOptions? Options { get; set; }
}
