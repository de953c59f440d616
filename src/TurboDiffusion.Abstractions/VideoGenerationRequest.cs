using Microsoft.Extensions.AI;

namespace TurboDiffusion.Extensions.AI;

/// <summary>What a video shall show.</summary>
public class VideoGenerationRequest
{
    /// <summary>Creates an empty request.</summary>
    public VideoGenerationRequest()
    {
    }

    /// <summary>Creates a request.</summary>
    /// <param name="prompt">A description of the video.</param>
    /// <param name="startFrame">The image that the video starts from, or <see langword="null"/>.</param>
    public VideoGenerationRequest(string prompt, AIContent? startFrame = null)
    {
        Prompt = prompt;
        StartFrame = startFrame;
    }

    /// <summary>A description of the video: subject, action, camera, style.</summary>
    public string? Prompt { get; set; }

    /// <summary>A description of what the video shall not show.</summary>
    public string? NegativePrompt { get; set; }

    /// <summary>
    /// The image that the video starts from: a <see cref="DataContent"/> with the image's bytes, or a
    /// <see cref="UriContent"/> that names a file.
    /// </summary>
    public AIContent? StartFrame { get; set; }

    /// <summary>
    /// The image that the video ends with, likewise, beside <see cref="StartFrame"/>; for generators whose model makes the video between
    /// two images.
    /// </summary>
    public AIContent? EndFrame { get; set; }
}
