using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;
using TurboDiffusion.Evaluation.Benchmark;

namespace TurboDiffusion.Cli.Plots;

/// <summary>
/// Where the speed comes from, as a picture: a bar for the denoising of one video with the ingredients so far, on a logarithmic axis of
/// seconds, and what each ingredient brings.
/// </summary>
internal static class DecompositionChart
{
    private const int Width = 1100, HeightOfBar = 70, HeightOfRest = 110;

    // Bars begin at this share of the least value, and the texts at their ends have room up to this multiple of the largest.
    private const double Before = 0.5, Behind = 12;

    /// <summary>Draws a benchmark's decomposition.</summary>
    /// <param name="result">What was measured.</param>
    /// <param name="picture">The PNG file; an existing one is replaced when the new one is complete.</param>
    /// <returns>False where nothing was measured that could be drawn: the original's row is missing.</returns>
    public static bool Draw(BenchmarkResult result, string picture)
    {
        IReadOnlyList<DecompositionEntry> entries = result.Decomposition;
        if (entries.Count == 0) return false;
        double first = Before * entries.Min(e => e.Seconds), last = Behind * entries.Max(e => e.Seconds);
        using var plot = new Plot();
        IPalette palette = new ScottPlot.Palettes.Category10();
        // The first on top.
        double[] places = [.. entries.Select((_, i) => (double)(entries.Count - 1 - i))];
        plot.Add.Bars(entries.Select((e, i) => new Bar
        {
            Position = places[i], ValueBase = Math.Log10(first), Value = Math.Log10(e.Seconds), FillColor = palette.GetColor(i),
        }).ToList()).Horizontal = true;
        foreach ((DecompositionEntry e, double place) in entries.Zip(places))
        {
            var text = plot.Add.Text(string.Create(CultureInfo.InvariantCulture, $"{e.Seconds:0.00} s")
                + (e.Total == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $"   {e.Gain:0.00} times faster, in all {e.Total:0.0}")),
                Math.Log10(e.Seconds), place);
            text.LabelAlignment = Alignment.MiddleLeft;
            text.OffsetX = 5;
            text.LabelFontName = PlotFont.Name;
        }
        plot.Axes.Left.TickGenerator = new NumericManual(
            places, [.. entries.Select(e => e.Ingredient.Replace(": ", ":\n", StringComparison.Ordinal))]);
        plot.Axes.Left.MajorTickStyle.Length = 0;
        plot.Axes.Bottom.TickGenerator = LogarithmicTicks.Of(first, last);
        plot.Axes.SetLimits(Math.Log10(first), Math.Log10(last), -0.6, entries.Count - 0.4);
        plot.Title(string.Create(CultureInfo.InvariantCulture, $"{result.Preset}, {result.Size}, {result.Frames} frames, {result.Device}"));
        plot.XLabel("denoising of one video, seconds (logarithmic); steps measured, their number multiplied");
        PlotPicture.Write(plot, picture, Width, HeightOfRest + HeightOfBar * entries.Count);
        return true;
    }
}
