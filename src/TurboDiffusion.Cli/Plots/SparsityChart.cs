using System.Globalization;
using ScottPlot;
using TurboDiffusion.Evaluation;
using TurboDiffusion.Operators.Attention;

namespace TurboDiffusion.Cli.Plots;

/// <summary>
/// How the score depends on the share of key blocks that sparse attention keeps, as a picture: a curve for rows that differ in nothing
/// else, for clips of one object and, dashed, of two; where the same was measured with dense attention, its score alone at the right.
/// </summary>
internal static class SparsityChart
{
    /// <summary>Rows that differ in the share alone.</summary>
    /// <param name="Name">What their names have in common.</param>
    /// <param name="Rows">Shares in (0, 1], rising, and their rows.</param>
    /// <param name="Dense">The same with dense attention; null where it was not measured.</param>
    public sealed record Curve(string Name, IReadOnlyList<(double Share, EvaluationRow Row)> Rows, EvaluationRow? Dense);

    /// <summary>The curves in rows, in their order.</summary>
    /// <param name="rows">Of one or several evaluations; real clips among them.</param>
    public static IReadOnlyList<Curve> Curves(IEnumerable<EvaluationRow> rows)
    {
        var variants = rows.Where(r => r.Variant is not null && (r.OneObject ?? r.TwoObjects) is not null)
            .Select(r => (Row: r, Variant: r.Variant!)).ToArray();
        return [.. variants.Where(v => v.Variant is { TopK: not null, Attention: AttentionKind.Sla or AttentionKind.SageSla })
            .GroupBy(v => v.Variant with { Label = "", TopK = null })
            .Select(group => new Curve(
                Common([.. group.Select(v => v.Row.Label)]),
                [.. group.Select(v => (v.Variant.TopK!.Value, v.Row)).OrderBy(v => v.Value)],
                variants.FirstOrDefault(v =>
                    (v.Variant with { Label = "", TopK = null }) == group.Key with { Attention = AttentionKind.Dense }).Row))];
    }

    /// <summary>Draws the curves.</summary>
    /// <param name="rows">As in <see cref="Curves"/>.</param>
    /// <param name="picture">The PNG file; an existing one is replaced when the new one is complete.</param>
    /// <returns>False where there is no row of sparse attention.</returns>
    public static bool Draw(IEnumerable<EvaluationRow> rows, string picture)
    {
        IReadOnlyList<Curve> curves = Curves(rows);
        if (curves.Count == 0) return false;
        using var plot = new Plot();
        IPalette palette = new ScottPlot.Palettes.Category10();
        for (int i = 0; i < curves.Count; i++)
        {
            Draw(plot, curves[i], palette.GetColor(i), twoObjects: false);
            Draw(plot, curves[i], palette.GetColor(i), twoObjects: true);
        }
        plot.Axes.SetLimits(0, 1.05, 0, 102);
        string diamonds = curves.Any(c => c.Dense is not null) ? "; diamonds at 1: dense attention" : "";
        plot.XLabel($"share of the key blocks that is kept{diamonds}");
        plot.YLabel("all right, %");
        plot.ShowLegend(Alignment.LowerRight);
        PlotPicture.Write(plot, picture, 1000, 600);
        return true;
    }

    private static void Draw(Plot plot, Curve curve, Color color, bool twoObjects)
    {
        AttributeScores? Scores(EvaluationRow row) => twoObjects ? row.TwoObjects : row.OneObject;
        (double Share, double Right)[] points =
            [.. from row in curve.Rows let score = Scores(row.Row) where score is not null select (row.Share, 100 * score.All)];
        if (points.Length == 0) return;
        var line = plot.Add.Scatter(points.Select(p => p.Share).ToArray(), points.Select(p => p.Right).ToArray(), color);
        (line.LineWidth, line.MarkerSize, line.LinePattern, line.LegendText) = twoObjects
            ? (2, 7, LinePattern.Dashed, $"{curve.Name}, two objects")
            : (3, 9, LinePattern.Solid, curve.Name);
        if (curve.Dense is { } dense && Scores(dense) is { } right)
            plot.Add.Marker(1, 100 * right.All, twoObjects ? MarkerShape.OpenDiamond : MarkerShape.FilledDiamond, 14, color);
    }

    // "student, SLA, topK 0.17" and "student, SLA, topK 0.5" are "student, SLA".
    private static string Common(string[] labels)
    {
        if (labels.Length == 1) return labels[0];
        int same = labels[0].TakeWhile((c, i) => labels.All(l => i < l.Length && l[i] == c)).Count();
        string common = labels[0][..same];
        return (common.LastIndexOf(',') is > 0 and var comma ? common[..comma] : common).Trim();
    }
}
