namespace TurboDiffusion.Training.Samples;

/// <summary>
/// Scores of a model of the shape world in training: now and then, held-out scenes are generated and read. The best state is kept, and a
/// run that falls can be stopped.
/// </summary>
public record ScoreOptions
{
    /// <summary>Iterations from one score to the next; there is one before the first iteration, and one at the end.</summary>
    public int Every { get; init; } = 500;

    /// <summary>Held-out scenes with one object.</summary>
    public int Prompts { get; init; } = 50;

    /// <summary>Held-out scenes with two objects.</summary>
    public int TwoObjectPrompts { get; init; } = 10;

    /// <summary>
    /// Which scenes, and their noise. Not the seed of the evaluation that the result is reported with: its scenes must not choose the
    /// state.
    /// </summary>
    public int Seed { get; init; } = 2;

    /// <summary>Clips made at a time.</summary>
    public int Batch { get; init; } = 30;

    /// <summary>Columns of pixels; a multiple of 16.</summary>
    public int Width { get; init; } = 192;

    /// <summary>Rows of pixels; a multiple of 16.</summary>
    public int Height { get; init; } = 112;

    /// <summary>Frames, 4k + 1.</summary>
    public int Frames { get; init; } = 33;

    /// <summary>
    /// A run is stopped when the share of clips that are right is this much below the best so far, in [0, 1]; 0, the default: never. A
    /// share of a few clips wavers by itself, and a run may dip before it rises; the best state is kept in any case, and
    /// <see cref="ScoreSummary"/> tells where the run ended beside it.
    /// </summary>
    public double Fall { get; init; }
}
