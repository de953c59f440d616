using ScottPlot;
using ScottPlot.TickGenerators;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Cli.Plots;

/// <summary>The PNG file of a plot.</summary>
internal static class PlotPicture
{
    /// <summary>Writes a finished plot, all of its texts in <see cref="PlotFont"/>.</summary>
    /// <param name="plot">The plot.</param>
    /// <param name="path">The PNG file; an existing one is replaced when the new one is complete.</param>
    /// <param name="width">Pixels.</param>
    /// <param name="height">Pixels.</param>
    public static void Write(Plot plot, string path, int width, int height)
    {
        PlotFont.Use(plot);
        AtomicFile.WriteBytes(path, plot.GetImage(width, height).GetImageBytes(ImageFormat.Png));
    }

    /// <summary>Gives the horizontal axis a second scale, above the plot.</summary>
    /// <param name="plot">The plot, its curves drawn.</param>
    /// <param name="ticks">The marks, by the coordinates of the axis below, with units: the title stands where a name would.</param>
    public static void AddAbove(Plot plot, IReadOnlyList<(double Place, string Label)> ticks)
    {
        plot.Axes.AutoScaleX();
        AxisLimits limits = plot.Axes.GetLimits();
        plot.Axes.SetLimitsX(limits.Left, limits.Right, plot.Axes.Top);
        plot.Axes.Top.TickGenerator = new NumericManual([.. ticks.Select(t => t.Place)], [.. ticks.Select(t => t.Label)]);
    }

    /// <summary>Writes the plot of a run's course over its iterations.</summary>
    /// <param name="plot">The plot, its curves drawn.</param>
    /// <param name="path">The PNG file.</param>
    /// <param name="title">What is trained.</param>
    /// <param name="value">What the curves show.</param>
    /// <param name="legend">The corner that the curves leave free.</param>
    public static void WriteCourse(Plot plot, string path, string title, string value, Alignment legend)
    {
        plot.Title(title);
        plot.XLabel("iteration");
        plot.YLabel(value);
        plot.ShowLegend(legend);
        Write(plot, path, 1000, 600);
    }
}
