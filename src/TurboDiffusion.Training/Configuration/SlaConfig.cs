using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Optimization;

namespace TurboDiffusion.Training.Configuration;

/// <summary>SLA tuning of a transformer; the defaults are the published ones for Wan2.1-T2V-1.3B.</summary>
/// <remarks>thu-ml/TurboDiffusion at aaecff5, <c>rcm/configs/experiments/sla/wan2pt1_t2v.py</c>.</remarks>
public sealed record SlaConfig : TransformerRunConfig
{
    /// <summary>Creates the configuration.</summary>
    public SlaConfig() => Training = new TrainingOptions { Optimizer = new AdamWOptions { LearningRate = 1e-5 } };

    /// <summary>The checkpoint of the teacher.</summary>
    public required string Teacher { get; init; }

    /// <summary>
    /// The checkpoint that the student begins from, such as one of an earlier distillation or, with a LoRA, a Turbo model; null: the
    /// teacher's.
    /// </summary>
    public string? Initial { get; init; }

    /// <summary>The share of key blocks kept.</summary>
    public double TopK { get; init; } = AttentionOptions.DefaultTopKRatio;

    /// <summary>Tokens per query block.</summary>
    public int QueryBlock { get; init; } = 128;

    /// <summary>Tokens per key block.</summary>
    public int KeyBlock { get; init; } = 64;

    /// <summary>How noise levels are drawn.</summary>
    public TimeOptions Times { get; init; } = TimeOptions.LogNormal(1.5, 1.6);
}
