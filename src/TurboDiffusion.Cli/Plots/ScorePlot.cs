using System.Globalization;
using ScottPlot;
using TurboDiffusion.Training.Samples;

namespace TurboDiffusion.Cli.Plots;

/// <summary>
/// The scores of a training as a picture: what of the held-out scenes was right, attribute by attribute, and all of it; the best state is
/// marked. Below are the iterations, above the time that they took, scoring included. Where the curves are flat, longer training brings
/// nothing.
/// </summary>
internal static class ScorePlot
{
    /// <summary>Draws a run's <c>scores.csv</c>.</summary>
    /// <param name="scores">The file, as <see cref="ScoreObserver"/> writes it.</param>
    /// <param name="picture">The PNG file; an existing one is replaced when the new one is complete.</param>
    /// <param name="title">What is trained.</param>
    /// <returns>False where there is nothing to draw yet.</returns>
    public static bool Draw(string scores, string picture, string title)
    {
        IReadOnlyList<ScoreLine> lines = ScoreLine.Read(scores);
        if (lines.Count == 0) return false;
        using var plot = new Plot();
        IPalette palette = new ScottPlot.Palettes.Category10();
        double[] iterations = [.. lines.Select(l => (double)l.Iteration)];
        (string Name, Func<ScoreLine, double> Share)[] curves =
        [
            ("all", l => l.Scores.All), ("shape", l => l.Scores.Shape), ("colour", l => l.Scores.Color),
            ("background", l => l.Scores.Background), ("motion", l => l.Scores.Motion),
        ];
        for (int i = 0; i < curves.Length; i++)
        {
            var curve = plot.Add.Scatter(iterations, lines.Select(l => 100 * curves[i].Share(l)).ToArray(), palette.GetColor(i));
            (curve.LineWidth, curve.MarkerSize) = i == 0 ? (4, 9) : (2, 6);
            curve.LegendText = string.Create(CultureInfo.InvariantCulture, $"{curves[i].Name} ({100 * curves[i].Share(lines[^1]):0.0})");
        }
        ScoreLine best = lines.MaxBy(l => l.Scores.All)!;
        var mark = plot.Add.VerticalLine(best.Iteration, 1, Colors.Gray, LinePattern.Dashed);
        mark.LegendText = string.Create(CultureInfo.InvariantCulture, $"best, {100 * best.Scores.All:0.0} at {best.Iteration}");
        plot.Axes.SetLimitsY(0, 102);
        if (TimeTicks.Of(lines.Select(l => ((double)l.Iteration, l.Seconds))) is { Count: > 0 } times)
            PlotPicture.AddAbove(plot, times);
        PlotPicture.WriteCourse(plot, picture, string.Create(CultureInfo.InvariantCulture, $"{title}, {best.Scores.Clips} held-out scenes"),
            "right, %", Alignment.LowerRight);
        return true;
    }
}
