namespace TurboDiffusion.Training.Loops;

/// <summary>What one iteration did.</summary>
/// <param name="Iteration">Counted from 1.</param>
/// <param name="TotalIterations">Iterations in all.</param>
/// <param name="Model">The name of the model that was updated.</param>
/// <param name="Losses">Each loss by name: its mean over the samples of the iteration.</param>
/// <param name="GradientNorm">Before clipping.</param>
/// <param name="LearningRate">Of this update.</param>
/// <param name="Skipped">The gradient was not finite, and the update was left out.</param>
/// <param name="Elapsed">Since this run began.</param>
/// <param name="Remaining">At this run's pace.</param>
public sealed record TrainingProgress(
    int Iteration,
    int TotalIterations,
    string Model,
    IReadOnlyDictionary<string, double> Losses,
    double GradientNorm,
    double LearningRate,
    bool Skipped,
    TimeSpan Elapsed,
    TimeSpan Remaining);
