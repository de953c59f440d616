namespace TurboDiffusion.Pipelines;

/// <summary>How far a generation has come: where its stage is, and where the whole of it is.</summary>
/// <remarks>
/// Told when a stage begins, when it ends, after every denoising step where there are no more than a hundred, and whenever another
/// percent of the whole is done: about a hundred times for a video, however many tensors and frames there are.
/// </remarks>
/// <param name="Stage">What is being done.</param>
/// <param name="Video">Which of the videos, from 0.</param>
/// <param name="Videos">How many videos in all.</param>
/// <param name="Step">Units of the stage finished: tensors when loading, steps when denoising, frames when decoding.</param>
/// <param name="TotalSteps">Units of the stage in all; 0 while they are not known.</param>
/// <param name="Fraction">
/// How much of the whole generation is done, 0 to 1, by the estimated work of its stages. Never falls; 1 when the last video is written.
/// </param>
/// <param name="Elapsed">Time since the generation began.</param>
/// <param name="Remaining">
/// Time to the end of the generation, if every stage goes on at the pace that it has had, now or in the pipeline's earlier
/// generations; null until the pace of denoising is known, after its first step.
/// </param>
public readonly record struct GenerationProgress(
    GenerationStage Stage, int Video, int Videos, int Step, int TotalSteps, double Fraction, TimeSpan Elapsed, TimeSpan? Remaining)
{
    /// <summary><see cref="Fraction"/> in whole percent, 0 to 100, rounded down.</summary>
    public int Percent => (int)(100 * Fraction);
}
