using SkiaSharp;

namespace TurboDiffusion.ShapeWorld;

/// <summary>The shapes' outlines: radius 1, the centre of area at (0, 0).</summary>
internal static class ShapePaths
{
    // Pointed shapes reach a little beyond the radius, so that all shapes look equally large.
    private const float Point = 1.2f;

    /// <summary>A new path; the caller disposes of it.</summary>
    public static SKPath Create(Shape shape) => shape switch
    {
        Shape.Circle => Build(p => p.AddCircle(0, 0, 1)),
        Shape.Square => Build(p => p.AddRoundRect(new SKRect(-0.88f, -0.88f, 0.88f, 0.88f), 0.1f, 0.1f)),
        Shape.Triangle => Build(p => p.AddPoly(Ring(3, Point, Point))),
        Shape.Star => Build(p => p.AddPoly(Ring(10, Point, 0.58f))),
        Shape.Heart => Heart(),
        Shape.Cross => Cross(),
        _ => throw new ArgumentOutOfRangeException(nameof(shape), shape, "No such shape."),
    };

    private static SKPath Build(Action<SKPath> add)
    {
        var path = new SKPath();
        add(path);
        return path;
    }

    // Points at equal angles from the top; every second one on the inner ring.
    private static SKPoint[] Ring(int count, float outer, float inner) =>
        [.. Enumerable.Range(0, count).Select(i =>
        {
            float angle = MathF.Tau * i / count, radius = i % 2 == 0 ? outer : inner;
            return new SKPoint(radius * MathF.Sin(angle), -radius * MathF.Cos(angle));
        })];

    private static SKPath Heart()
    {
        var path = new SKPath();
        path.MoveTo(0, 1.08f);
        path.CubicTo(-0.5f, 0.68f, -1.12f, 0.25f, -1.12f, -0.3f);
        path.CubicTo(-1.12f, -1.02f, -0.25f, -1.1f, 0, -0.52f);
        path.CubicTo(0.25f, -1.1f, 1.12f, -1.02f, 1.12f, -0.3f);
        path.CubicTo(1.12f, 0.25f, 0.5f, 0.68f, 0, 1.08f);
        path.Close();
        return path;
    }

    private static SKPath Cross()
    {
        const float length = 1.06f, half = 0.37f;
        var path = new SKPath();
        path.AddPoly(
        [
            new(-half, -length), new(half, -length), new(half, -half), new(length, -half), new(length, half), new(half, half),
            new(half, length), new(-half, length), new(-half, half), new(-length, half), new(-length, -half), new(-half, -half),
        ]);
        return path;
    }
}
