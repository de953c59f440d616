using TurboDiffusion.Models.Wan;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Pipelines;

/// <summary>What all clips of a generation have in common: their size, and how they are sampled.</summary>
public record ClipSettings
{
    private const int LargestSide = 8192;

    /// <summary>What they should not show; counts only with guidance.</summary>
    public string NegativePrompt { get; init; } = "";

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

    /// <summary>Refuses what these models cannot make; the sampler's settings are checked where it is made.</summary>
    /// <param name="components">The models.</param>
    /// <exception cref="InvalidRequestException">A size, the number of frames or the guidance is out of range.</exception>
    internal void CheckFor(WanComponents components)
    {
        int grid = components.VaeConfig.SpatialFactor * WanConfig.PatchSize;
        foreach ((string name, int size) in new[] { ("width", Width), ("height", Height) })
            if (size < grid || size % grid != 0 || size > LargestSide)
                throw new InvalidRequestException(name,
                    $"The {name} is {size} pixels; it must be a multiple of {grid} from {grid} to {LargestSide}.");
        components.VaeConfig.CheckFrames(Frames);
        GuidanceScale.Check(components.Experts.Count);
    }
}
