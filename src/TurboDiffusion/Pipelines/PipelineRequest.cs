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

    /// <summary>
    /// What an image encoder sees: the start image, and the end image where one is given, not as they were fitted to the frame but as they
    /// were before that (the end image cropped to the start image's aspect ratio), brought to the encoder's size,
    /// <c>[1 or 2, 3, size, size]</c> in [−1, 1]; null: the frames.
    /// </summary>
    public Tensor? SeenImages { get; init; }

    /// <summary>
    /// Causal generation: latent frames that are denoised together, each group seeing those before it; null: the whole clip at once. Frames
    /// are given as soon as their group is denoised. Needs a model that was distilled for it (Self Forcing, CausVid): of any other, the
    /// later groups drift.
    /// </summary>
    public int? CausalFrames { get; init; }

    /// <summary>The seed of the first video; the next ones use seed + 1, seed + 2, …</summary>
    public ulong Seed { get; init; }

    /// <summary>How many videos.</summary>
    public int Count { get; init; } = 1;
}
