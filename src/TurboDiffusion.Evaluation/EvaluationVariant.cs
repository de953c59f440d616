using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Evaluation;

/// <summary>One row of the table: a transformer and how it is run. What is null follows the model's defaults.</summary>
public sealed record EvaluationVariant
{
    /// <summary>The row's name.</summary>
    public required string Label { get; init; }

    /// <summary>The transformer's file; null: the model's own.</summary>
    public string? Transformer { get; init; }

    /// <summary>The sampler.</summary>
    public SamplerKind? Sampler { get; init; }

    /// <summary>Model calls.</summary>
    public int? Steps { get; init; }

    /// <summary>Classifier-free guidance; 1 is none.</summary>
    public GuidanceScale? Guidance { get; init; }

    /// <summary>UniPC and Euler: how far the schedule leans to the noisy end.</summary>
    public double? Shift { get; init; }

    /// <summary>rCM: noise over signal at the first step.</summary>
    public double? SigmaMax { get; init; }

    /// <summary>rCM: the deterministic flow.</summary>
    public bool? Ode { get; init; }

    /// <summary>The self-attention.</summary>
    public AttentionKind? Attention { get; init; }

    /// <summary>The share of key blocks that sparse attention keeps, in (0, 1].</summary>
    public double? TopK { get; init; }

    /// <summary>The number format of the blocks' linear layers.</summary>
    public WeightFormat? Weights { get; init; }

    /// <summary>The number format of the text encoder's linear layers.</summary>
    public WeightFormat? TextEncoderWeights { get; init; }
}
