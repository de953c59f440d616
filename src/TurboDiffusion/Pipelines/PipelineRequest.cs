using static TorchSharp.torch;

namespace TurboDiffusion.Pipelines;

/// <summary>What to generate.</summary>
public sealed record PipelineRequest : ClipSettings
{
    /// <summary>What the video shows. Not empty.</summary>
    public required string Prompt { get; init; }

    /// <summary>Image to video: the first frame, <c>[3, height, width]</c> in [−1, 1]. The caller keeps it.</summary>
    public Tensor? StartImage { get; init; }

    /// <summary>
    /// The last frame, as <see cref="StartImage"/>, for a model that takes one (<see cref="Models.Wan.WanConfig.TakesEndImage"/>).
    /// </summary>
    public Tensor? EndImage { get; init; }

    /// <summary>The seed of the first video; the next ones use seed + 1, seed + 2, …</summary>
    public ulong Seed { get; init; }

    /// <summary>How many videos.</summary>
    public int Count { get; init; } = 1;
}
