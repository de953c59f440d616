using TurboDiffusion.Training.Optimization;

namespace TurboDiffusion.Training.Loops;

/// <summary>How long, how fast and how reproducibly to train; the same for every task.</summary>
public sealed record TrainingOptions
{
    /// <summary>Iterations in all, those before a resume included.</summary>
    public int Iterations { get; init; } = 1000;

    /// <summary>The seed of every draw: data, times, noise.</summary>
    public ulong Seed { get; init; }

    /// <summary>Samples per batch.</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>Batches whose gradients are added up for one update.</summary>
    public int Accumulation { get; init; } = 1;

    /// <summary>The optimiser's constants.</summary>
    public AdamWOptions Optimizer { get; init; } = new();

    /// <summary>The factor on the learning rate, by updates.</summary>
    public LearningRateSchedule Schedule { get; init; } = new();

    /// <summary>Gradients are scaled down to this norm; 0: never.</summary>
    public double GradientClip { get; init; } = 1;

    /// <summary>Width of the weight average relative to the length of training; null: none.</summary>
    public double? EmaWidth { get; init; } = 0.1;

    /// <summary>The state is saved after every so many iterations, and at the end; 0: only at the end.</summary>
    public int SaveEvery { get; init; } = 500;
}
