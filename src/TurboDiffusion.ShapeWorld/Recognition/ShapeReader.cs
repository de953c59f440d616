using System.Runtime.InteropServices;
using SkiaSharp;

namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>Tells shapes by their outlines: those of several frames are laid over the drawn ones.</summary>
internal static class ShapeReader
{
    private const int Frames = 9;

    // Below this overlap an outline is none of the known ones.
    private const float LeastOverlap = 0.8f;

    // Half the angle by which an upright shape may lean.
    private const float Lean = 12 * MathF.PI / 180;
    private const float AngleStep = 4 * MathF.PI / 180;

    private static readonly Lazy<IReadOnlyList<Template>> Templates = new(Draw);

    /// <summary>The shape of a track, or null.</summary>
    /// <param name="track">The object.</param>
    /// <param name="width">Of the picture.</param>
    /// <param name="turns">Whether the shape may stand at any angle.</param>
    public static Shape? Read(ObjectTrack track, int width, bool turns)
    {
        Outline[] outlines = [.. Clearest(track).Select(region => Outline.Of(region.Pixels, width))];
        if (outlines.Length == 0) return null;
        var (shape, overlap) = Enum.GetValues<Shape>()
            .Select(shape => (shape, outlines.Average(outline => Best(shape, outline, turns))))
            .MaxBy(s => s.Item2);
        return overlap >= LeastOverlap ? shape : null;
    }

    /// <summary>The frames in which an object is largest, spread over the time.</summary>
    public static IReadOnlyList<Region> Clearest(ObjectTrack track)
    {
        Region[] found = [.. track.Found];
        if (found.Length == 0) return found;
        // The largest may be an error; the ninth part from the top is not.
        int large = found.Select(r => r.Area).Order().ElementAt(found.Length * 8 / 9);
        Region[] clear = [.. found.Where(r => r.Area >= 0.75 * large && r.Area <= 1.3 * large)];
        int step = Math.Max(1, clear.Length / Frames);
        return [.. clear.Where((_, i) => i % step == step / 2)];
    }

    private static float Best(Shape shape, Outline outline, bool turns)
    {
        float best = 0;
        foreach (Template template in Templates.Value)
            if (template.Shape == shape && (turns || MathF.Abs(template.Angle) <= Lean))
                best = Math.Max(best, outline.Overlap(template.Outline));
        return best;
    }

    private static IReadOnlyList<Template> Draw()
    {
        var templates = new List<Template>();
        foreach (Shape shape in Enum.GetValues<Shape>())
            // The dark outline belongs to what is seen of an object; on a dark background the light around it, too. A blurred
            // outline may vanish between a light body and a darker background.
            foreach (float line in (float[])[-0.15f, 0.15f, 0.3f])
            {
                (int[] pixels, int width) = Silhouette(shape, line);
                float symmetry = Symmetry(shape);
                for (float angle = 0; angle < symmetry; angle += AngleStep)
                    templates.Add(new Template(shape, angle > symmetry / 2 ? angle - symmetry : angle, Outline.Of(pixels, width, angle)));
            }
        return templates;
    }

    // The smallest turn that leaves a shape as it is.
    private static float Symmetry(Shape shape) => shape switch
    {
        Shape.Circle => AngleStep,
        Shape.Square or Shape.Cross => MathF.Tau / 4,
        Shape.Triangle => MathF.Tau / 3,
        Shape.Star => MathF.Tau / 5,
        _ => MathF.Tau,
    };

    private static (int[] Pixels, int Width) Silhouette(Shape shape, float line)
    {
        const int Radius = 40, Width = 4 * Radius;
        using var bitmap = new SKBitmap(new SKImageInfo(Width, Width, SKColorType.Gray8));
        using var canvas = new SKCanvas(bitmap);
        using SKPath path = ShapePaths.Create(shape);
        using var paint = new SKPaint
        {
            Color = line > 0 ? SKColors.White : SKColors.Black, IsStroke = true, StrokeWidth = MathF.Abs(line),
                StrokeJoin = SKStrokeJoin.Round,
        };
        using var body = new SKPaint { Color = SKColors.White };
        canvas.Clear(SKColors.Black);
        canvas.Translate(Width / 2, Width / 2);
        canvas.Scale(Radius);
        canvas.DrawPath(path, body);
        canvas.DrawPath(path, paint);
        var levels = new byte[Width * Width];
        Marshal.Copy(bitmap.GetPixels(), levels, 0, levels.Length);
        var pixels = new List<int>();
        for (int i = 0; i < levels.Length; i++)
            if (levels[i] >= 128) pixels.Add(i);
        return ([.. pixels], Width);
    }

    private sealed record Template(Shape Shape, float Angle, Outline Outline);
}
