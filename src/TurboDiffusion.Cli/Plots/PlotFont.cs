using ScottPlot;
using SkiaSharp;

namespace TurboDiffusion.Cli.Plots;

/// <summary>The font of plots, carried along: a bare machine has none, and the same run gives the same picture everywhere.</summary>
internal sealed class PlotFont : IFontResolver
{
    /// <summary>Its name.</summary>
    public const string Name = "TurboDiffusion plot";

    /// <summary>The font itself.</summary>
    public static SKTypeface Face { get; } = Open();

    private static readonly bool Registered = Register();

    private PlotFont()
    {
    }

    /// <summary>Makes the font that of every text of a plot.</summary>
    /// <param name="plot">The plot; its texts are set already.</param>
    public static void Use(Plot plot)
    {
        if (Registered) plot.Font.Set(Name);
    }

    /// <inheritdoc/>
    public SKTypeface? CreateTypeface(string fontName, FontWeight weight, FontSlant slant, FontSpacing spacing) =>
        fontName == Name ? Face : null;

    /// <inheritdoc/>
    public SKTypeface? CreateTypeface(string fontName, bool bold, bool italic) => fontName == Name ? Face : null;

    private static bool Register()
    {
        Fonts.FontResolvers.Insert(0, new PlotFont());
        return true;
    }

    private static SKTypeface Open()
    {
        using Stream font = typeof(PlotFont).Assembly.GetManifestResourceStream("TurboDiffusion.Cli.Plots.DejaVuSans.ttf")!;
        return SKTypeface.FromStream(font);
    }
}
