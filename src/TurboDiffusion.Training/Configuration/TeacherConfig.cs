using TurboDiffusion.Models.Wan;
using TurboDiffusion.Training.Losses;

namespace TurboDiffusion.Training.Configuration;

/// <summary>Pre-training of a transformer: from nothing (<see cref="Model"/>) or from a checkpoint (<see cref="Initial"/>).</summary>
public sealed record TeacherConfig : RunConfig
{
    /// <summary>The folder of encoded videos: <see cref="Data.LatentFolder"/>.</summary>
    public required string Data { get; init; }

    /// <summary>The dimensions of a new model.</summary>
    public WanConfig? Model { get; init; }

    /// <summary>The checkpoint to begin from.</summary>
    public string? Initial { get; init; }

    /// <summary>The share of samples trained without their caption.</summary>
    public double ConditionDropout { get; init; } = 0.1;

    /// <summary>How noise levels are drawn.</summary>
    public TimeOptions Times { get; init; } = TimeOptions.Uniform(5);
}
