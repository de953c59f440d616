using System.Globalization;

namespace TurboDiffusion.Cli.Plots;

/// <summary>The marks of a time on an axis of something else, such as iterations, that was reached at known times.</summary>
internal static class TimeTicks
{
    private const int Most = 8;

    private static readonly (int Seconds, string Name)[] Units = [(1, "s"), (60, "min"), (3600, "h")];
    private static readonly int[] Steps =
        [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 2 * 3600, 5 * 3600, 10 * 3600, 24 * 3600, 48 * 3600, 120 * 3600];

    /// <summary>Round times between the first and the last, at places between those that were measured.</summary>
    /// <param name="measured">Places and their seconds. One where either falls back is left out.</param>
    /// <returns>The marks; none where fewer than two points are left.</returns>
    public static IReadOnlyList<(double Place, string Label)> Of(IEnumerable<(double Place, double Seconds)> measured)
    {
        var points = new List<(double Place, double Seconds)>();
        foreach ((double Place, double Seconds) point in measured)
            if (points.Count == 0 || (point.Place > points[^1].Place && point.Seconds > points[^1].Seconds)) points.Add(point);
        if (points.Count < 2) return [];
        (double first, double last) = (points[0].Seconds, points[^1].Seconds);
        int step = Steps.FirstOrDefault(s => (last - first) / s <= Most, Steps[^1]);
        (int unit, string name) = Units.Last(u => u.Seconds <= step);
        var ticks = new List<(double, string)>();
        int at = 1;
        for (double time = Math.Ceiling(first / step) * step; time <= last; time += step)
        {
            while (points[at].Seconds < time) at++;
            ((double place, double before), (double next, double after)) = (points[at - 1], points[at]);
            ticks.Add((place + (next - place) * (time - before) / (after - before),
                string.Create(CultureInfo.InvariantCulture, $"{time / unit:0.##} {name}")));
        }
        return ticks;
    }
}
