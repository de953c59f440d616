using Microsoft.Extensions.AI;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>From what a job asks for to what a generator is given, and from what a generator refuses to what was asked for.</summary>
internal static class RequestTranslation
{
    /// <summary>The field of a request that a generator refuses.</summary>
    /// <param name="parameter">The generator's name of it.</param>
    /// <returns><see langword="null"/> where it is nothing that a request says: a setting of the service.</returns>
    public static string? FieldOf(string parameter) => parameter switch
    {
        "width" or "height" => "size",
        "image" => "input_reference",
        "end image" => "end_image",
        "guidance" => "guidance_scale",
        "duration" => "seconds",
        "aspect ratio" => "aspect_ratio",
        "negative prompt" => "negative_prompt",
        "prompt" or "size" or "frames" or "fps" or "steps" or "seed" => parameter,
        _ => null,
    };

    /// <summary>What the video shows.</summary>
    public static VideoGenerationRequest ToGenerate(this VideoJobRequest request, DataContent? start, DataContent? end) =>
        new(request.Prompt)
        {
            NegativePrompt = request.NegativePrompt,
            StartFrame = start,
            EndFrame = end,
        };

    /// <summary>How it is made.</summary>
    /// <param name="request">The job's request.</param>
    /// <param name="previews">Pictures that are shown meanwhile.</param>
    public static VideoGenerationOptions ToOptions(this VideoJobRequest request, int previews)
    {
        // The generator's own knobs only where some are asked for, so that any generator serves the other requests.
        var asked = request.Steps is not null || request.GuidanceScale is not null || request.Frames is not null;
        return new VideoGenerationOptions
        {
            VideoSize = request is { Width: { } width, Height: { } height } ? new(width, height) : null,
            AspectRatio = request.AspectRatio,
            Duration = request.Seconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
            FramesPerSecond = request.FramesPerSecond,
            Seed = request.Seed,
            Count = 1,
            // The bytes: no file is left behind that nobody deletes.
            ResponseFormat = VideoGenerationResponseFormat.Data,
            StreamingCount = previews,
            RawRepresentationFactory = generator => asked || generator is TurboDiffusionVideoGenerator
                ? new TurboDiffusionRequestOptions
                {
                    Steps = request.Steps,
                    GuidanceScale = request.GuidanceScale,
                    Frames = request.Frames,
                    StreamSteps = previews > 0,
                }
                : null,
        };
    }
}
