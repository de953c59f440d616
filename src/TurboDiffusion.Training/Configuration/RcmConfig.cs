using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Optimization;

namespace TurboDiffusion.Training.Configuration;

/// <summary>rCM distillation of a transformer; the defaults are the published ones for Wan2.1-T2V-1.3B.</summary>
/// <remarks>thu-ml/TurboDiffusion at aaecff5, <c>rcm/configs/experiments/rcm/wan2pt1_t2v.py</c>.</remarks>
public sealed record RcmConfig : TransformerRunConfig
{
    /// <summary>Creates the configuration.</summary>
    public RcmConfig() => Training = new TrainingOptions { Optimizer = Published(2e-6), GradientClip = 0 };

    /// <summary>The checkpoint of the teacher, which the critic begins from as well.</summary>
    public required string Teacher { get; init; }

    /// <summary>
    /// The checkpoint that the student begins from, such as one of an earlier distillation or, with a LoRA, a Turbo model; null: the
    /// teacher's.
    /// </summary>
    public string? Initial { get; init; }

    /// <summary>The constants of rCM.</summary>
    public RcmOptions Rcm { get; init; } = new();

    /// <summary>How the consistency loss draws noise levels.</summary>
    public TimeOptions ConsistencyTimes { get; init; } = TimeOptions.LogNormal(0.7, 1.6);

    /// <summary>How the distribution loss and the critic draw noise levels.</summary>
    public TimeOptions MatchingTimes { get; init; } = TimeOptions.Uniform(5);

    /// <summary>The critic's optimiser.</summary>
    public AdamWOptions CriticOptimizer { get; init; } = Published(4e-7);

    private static AdamWOptions Published(double rate) => new() { LearningRate = rate, Beta1 = 0 };
}
