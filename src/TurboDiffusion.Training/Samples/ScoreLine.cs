using System.Globalization;
using TurboDiffusion.Evaluation;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Training.Samples;

/// <summary>A score of a model in training: a line of a run's <see cref="ScoreObserver.File"/>.</summary>
/// <param name="Iteration">Iterations finished; 0 is the state that the run began with.</param>
/// <param name="Seconds">
/// Since the run began, scoring included. A run that was continued counts on from its last score: what it did after that, and while it
/// stood still, is not in it.
/// </param>
/// <param name="Scores">What of the held-out scenes was right.</param>
public sealed record ScoreLine(int Iteration, double Seconds, AttributeScores Scores)
{
    private const string Header = "iteration,seconds,clips,shape,color,background,motion,all";
    private const int MaxBytes = 64 << 20;

    /// <summary>Reads a file of scores.</summary>
    /// <param name="path">The file; one that does not exist has none. A line that was cut off is left out.</param>
    public static IReadOnlyList<ScoreLine> Read(string path) => File.Exists(path)
        ? [.. InputFile.ReadText(path, MaxBytes).Split('\n').Skip(1).Select(Parse).OfType<ScoreLine>()]
        : [];

    /// <summary>Adds a line, after a header where the file is new.</summary>
    internal static void Append(string path, ScoreLine line) =>
        Write(path, () => File.AppendAllText(path, File.Exists(path) ? line.Text : Header + "\n" + line.Text));

    /// <summary>Drops the lines past a run's saved state: it was stopped without saving, and comes there again.</summary>
    /// <param name="path">The file.</param>
    /// <param name="iteration">Iterations finished so far.</param>
    /// <returns>The lines that stay.</returns>
    internal static IReadOnlyList<ScoreLine> Keep(string path, int iteration)
    {
        IReadOnlyList<ScoreLine> all = Read(path), kept = [.. all.Where(line => line.Iteration <= iteration)];
        if (kept.Count < all.Count)
            Write(path, () => AtomicFile.WriteText(path, Header + "\n" + string.Concat(kept.Select(line => line.Text))));
        return kept;
    }

    private string Text => string.Create(CultureInfo.InvariantCulture,
        $"{Iteration},{Seconds:0},{Scores.Clips},{Scores.Shape:0.####},{Scores.Color:0.####},"
            + $"{Scores.Background:0.####},{Scores.Motion:0.####},{Scores.All:0.####}\n");

    private static void Write(string path, Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException("disk", $"The scores {path} cannot be written: {e.Message}", e);
        }
    }

    private static ScoreLine? Parse(string line)
    {
        var values = new List<double>();
        foreach (string cell in line.Split(','))
            if (double.TryParse(cell, CultureInfo.InvariantCulture, out double value)) values.Add(value);
        return values is [double iteration, double seconds, double clips, double shape, double color, double background,
            double motion, double all]
            ? new ScoreLine((int)iteration, seconds, new AttributeScores((int)clips, shape, color, background, motion, all))
            : null;
    }
}
