using System.Globalization;
using ScottPlot;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Cli.Plots;

/// <summary>
/// The losses of a training as a picture: each value thin, their running mean thick; logarithmic where all are positive and far apart.
/// </summary>
internal static class LossPlot
{
    private const int MaxBytes = 1 << 30;

    // The running mean spans this share of the run.
    private const double Smoothing = 0.02;

    /// <summary>Draws a run's <c>losses.csv</c>.</summary>
    /// <param name="log">The file, as <see cref="TurboDiffusion.Training.Loops.LossLog"/> writes it.</param>
    /// <param name="picture">The PNG file; an existing one is replaced when the new one is complete.</param>
    /// <param name="title">What is trained.</param>
    /// <returns>False where there is nothing to draw yet.</returns>
    public static bool Draw(string log, string picture, string title)
    {
        List<(string Name, double[] X, double[] Y)> curves = Read(log);
        if (curves.Count == 0) return false;
        double least = curves.Min(c => c.Y.Min()), most = curves.Max(c => c.Y.Max());
        bool logarithmic = least > 0 && most > 10 * least;
        using var plot = new Plot();
        IPalette palette = new ScottPlot.Palettes.Category10();
        for (int i = 0; i < curves.Count; i++)
        {
            (string name, double[] x, double[] y) = curves[i];
            double[] values = logarithmic ? [.. y.Select(Math.Log10)] : y;
            Color color = palette.GetColor(i);
            var raw = plot.Add.SignalXY(x, values, color.WithAlpha(0.3));
            raw.LineWidth = 1;
            var mean = plot.Add.SignalXY(x, Smooth(values), color);
            mean.LineWidth = 3;
            if (x.Length == 1) mean.MarkerSize = 8;
            mean.LegendText = string.Create(CultureInfo.InvariantCulture, $"{name} ({Last(y):G4})");
        }
        if (logarithmic) plot.Axes.Left.TickGenerator = LogarithmicTicks.Of(least, most);
        PlotPicture.WriteCourse(plot, picture, title, "loss", Alignment.UpperRight);
        return true;
    }

    private static List<(string Name, double[] X, double[] Y)> Read(string log) =>
        [.. InputFile.ReadText(log, MaxBytes).Split('\n').Skip(1).Select(line => line.Split(','))
            .Where(c => c.Length == 7).Select(c => (Name: c[2], X: Number(c[0]), Y: Number(c[3])))
            .Where(p => double.IsFinite(p.X) && double.IsFinite(p.Y))
            .GroupBy(p => p.Name).Select(g => (g.Key, g.Select(p => p.X).ToArray(), g.Select(p => p.Y).ToArray()))];

    private static double Number(string text) =>
        double.TryParse(text, CultureInfo.InvariantCulture, out double value) ? value : double.NaN;

    // The span grows with the run, so that the mean follows the steep beginning.
    private static double[] Smooth(double[] values)
    {
        double longest = Math.Max(1, values.Length * Smoothing), mean = 0;
        return [.. values.Select((v, i) => mean += (v - mean) / Math.Min(longest, 1 + i / 3))];
    }

    // What the legend says of a curve: the mean over the same span as the running one.
    private static double Last(double[] values) => values[^Math.Max(1, (int)(values.Length * Smoothing))..].Average();
}
