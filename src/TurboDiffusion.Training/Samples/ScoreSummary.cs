namespace TurboDiffusion.Training.Samples;

/// <summary>What the scores of a run have come to. The share that counts is that of the clips in which all is right.</summary>
/// <param name="Start">The first score: of the state that the run began with.</param>
/// <param name="Best">The highest, the first of several; its state is <see cref="ScoreObserver.BestFile"/> in the run's folder.</param>
/// <param name="End">The last: of the state that the run, so far, ended with.</param>
public sealed record ScoreSummary(ScoreLine Start, ScoreLine Best, ScoreLine End)
{
    /// <summary>Whether no state of the run is better than its last.</summary>
    public bool EndsAtBest => End.Scores.All >= Best.Scores.All;

    /// <summary>Whether the run has made its model worse.</summary>
    public bool EndsBelowStart => End.Scores.All < Start.Scores.All;

    /// <summary>Reads the scores in a run's folder.</summary>
    /// <param name="runFolder">The folder.</param>
    /// <returns>Null where there are none.</returns>
    public static ScoreSummary? Read(string runFolder)
    {
        IReadOnlyList<ScoreLine> lines = ScoreLine.Read(Path.Combine(runFolder, ScoreObserver.File));
        return lines.Count == 0 ? null : new ScoreSummary(lines[0], lines.MaxBy(line => line.Scores.All)!, lines[^1]);
    }
}
