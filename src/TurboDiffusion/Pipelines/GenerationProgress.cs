namespace TurboDiffusion.Pipelines;

/// <summary>How far a generation has come.</summary>
/// <param name="Stage">What is being done.</param>
/// <param name="Video">Which of the videos, from 0.</param>
/// <param name="Videos">How many videos in all.</param>
/// <param name="Step">Units of the stage finished: tensors when loading, steps when denoising, frames when decoding.</param>
/// <param name="TotalSteps">Units of the stage in all.</param>
/// <param name="Elapsed">Time since the stage began.</param>
public readonly record struct GenerationProgress(
    GenerationStage Stage, int Video, int Videos, int Step, int TotalSteps, TimeSpan Elapsed)
{
    /// <summary>Time left in this stage, if the remaining units take as long as the finished ones; null before the first.</summary>
    public TimeSpan? Remaining => Step == 0 ? null : Elapsed / Step * (TotalSteps - Step);
}
