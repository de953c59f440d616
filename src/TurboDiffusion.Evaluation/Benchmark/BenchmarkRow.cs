namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>What was measured of one variant, or of the PyTorch baseline.</summary>
internal sealed record BenchmarkRow
{
    /// <summary>Its name.</summary>
    public required string Label { get; init; }

    /// <summary>How it was run; null for the baseline.</summary>
    public BenchmarkVariant? Variant { get; init; }

    /// <summary>Milliseconds of one denoising step; null where it could not be run.</summary>
    public double? StepMilliseconds { get; init; }

    /// <summary>Steps that this is the median of.</summary>
    public int Repeats { get; init; }

    /// <summary>The most bytes of the GPU that were taken, weights and CUDA context included.</summary>
    public long? PeakBytes { get; init; }

    /// <summary>Transformers that were in memory at once.</summary>
    public int Experts { get; init; } = 1;

    /// <summary>With two experts: milliseconds from one's last step to the other's first, by the system's clock.</summary>
    public double? SwitchMilliseconds { get; init; }

    /// <summary>Which form each operator took, and why; empty where nothing could be a kernel.</summary>
    public IReadOnlyList<string> Forms { get; init; } = [];

    /// <summary>Seconds that making the weights took.</summary>
    public double? LoadSeconds { get; init; }

    /// <summary>Why it could not be run.</summary>
    public string? Failure { get; init; }

    /// <summary>The step's parts; empty where they were not asked for.</summary>
    public IReadOnlyList<ProfileEntry> Profile { get; init; } = [];
}
