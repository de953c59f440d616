using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Generation;

/// <summary>One generated video.</summary>
/// <param name="Path">The full path of the file, or of the folder of frames.</param>
/// <param name="Prompt">The prompt.</param>
/// <param name="Seed">The seed that makes it again.</param>
/// <param name="Width">Columns of pixels.</param>
/// <param name="Height">Rows of pixels.</param>
/// <param name="Frames">Frames.</param>
/// <param name="FramesPerSecond">Frames per second.</param>
/// <param name="Model">The model's identity.</param>
/// <param name="StageTimes">What each stage of the call took; shared by the videos of one call.</param>
public sealed record VideoResult(
    string Path, string Prompt, ulong Seed, int Width, int Height, int Frames, double FramesPerSecond, ModelIdentity Model,
    IReadOnlyDictionary<GenerationStage, TimeSpan> StageTimes)
{
    /// <summary>What is to be said of the prompt (<see cref="VideoModel.NoteOn"/>); null: nothing.</summary>
    public string? Note { get; init; }

    /// <summary>The length of the video.</summary>
    public TimeSpan Duration => TimeSpan.FromSeconds(Frames / FramesPerSecond);

    /// <summary>The sum of the stages.</summary>
    public TimeSpan Elapsed => StageTimes.Values.Aggregate(TimeSpan.Zero, (sum, t) => sum + t);
}
