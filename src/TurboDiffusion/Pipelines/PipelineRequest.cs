using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Pipelines;

/// <summary>What to generate.</summary>
public sealed record PipelineRequest
{
    /// <summary>What the video shows. Not empty.</summary>
    public required string Prompt { get; init; }

    /// <summary>What it should not show; used by undistilled models with guidance.</summary>
    public string NegativePrompt { get; init; } = "";

    /// <summary>Image to video: the first frame, <c>[3, height, width]</c> in [−1, 1]. The caller keeps it.</summary>
    public Tensor? StartImage { get; init; }

    /// <summary>Columns of pixels; a multiple of 16.</summary>
    public required int Width { get; init; }

    /// <summary>Rows of pixels; a multiple of 16.</summary>
    public required int Height { get; init; }

    /// <summary>Frames; 4k + 1.</summary>
    public required int Frames { get; init; }

    /// <summary>The sampler and its settings.</summary>
    public required SamplerOptions Sampler { get; init; }

    /// <summary>
    /// Classifier-free guidance, of each expert: v = v_negative + g·(v_prompt − v_negative). 1 is none, as distilled models need.
    /// Anything but 1 costs a second model call a step.
    /// </summary>
    public GuidanceScale GuidanceScale { get; init; } = GuidanceScale.None;

    /// <summary>The seed of the first video; the next ones use seed + 1, seed + 2, …</summary>
    public ulong Seed { get; init; }

    /// <summary>How many videos.</summary>
    public int Count { get; init; } = 1;
}
