namespace TurboDiffusion.Evaluation;

/// <summary>What was measured of one variant, or of real clips.</summary>
public sealed record EvaluationRow
{
    /// <summary>The row's name.</summary>
    public required string Label { get; init; }

    /// <summary>How it was run, defaults filled in; null for real clips.</summary>
    public EvaluationVariant? Variant { get; init; }

    /// <summary>The model in one line; null for real clips.</summary>
    public string? Model { get; init; }

    /// <summary>Prompts with one object; null where none were generated.</summary>
    public AttributeScores? OneObject { get; init; }

    /// <summary>Prompts with two objects.</summary>
    public AttributeScores? TwoObjects { get; init; }

    /// <summary>The Fréchet distance of all clips to real ones.</summary>
    public double? Frechet { get; init; }

    /// <summary>The latency of one clip.</summary>
    public ClipLatency? Latency { get; init; }

    /// <summary>Seconds that generating all clips took, in batches.</summary>
    public double? GenerationSeconds { get; init; }

    /// <summary>Every clip.</summary>
    public IReadOnlyList<ClipOutcome> Clips { get; init; } = [];
}
