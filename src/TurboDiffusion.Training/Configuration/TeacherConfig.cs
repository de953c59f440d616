using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Training.Losses;

namespace TurboDiffusion.Training.Configuration;

/// <summary>Pre-training of a transformer: from nothing (<see cref="Model"/>) or from a checkpoint (<see cref="Initial"/>).</summary>
public sealed record TeacherConfig : TransformerRunConfig
{
    /// <summary>The dimensions of a new model.</summary>
    public WanConfig? Model { get; init; }

    /// <summary>The checkpoint to begin from.</summary>
    public string? Initial { get; init; }

    /// <summary>Data with tokenised captions: the dimensions of a new text encoder, which is trained along.</summary>
    public UMT5Config? NewTextEncoder { get; init; }

    /// <summary>The share of samples trained without their caption.</summary>
    public double ConditionDropout { get; init; } = 0.1;

    /// <summary>How noise levels are drawn.</summary>
    public TimeOptions Times { get; init; } = TimeOptions.Uniform(5);
}
