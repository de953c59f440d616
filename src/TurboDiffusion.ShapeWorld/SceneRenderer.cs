using System.Runtime.InteropServices;
using SkiaSharp;

namespace TurboDiffusion.ShapeWorld;

/// <summary>Draws scenes. Thread-safe.</summary>
public static class SceneRenderer
{
    /// <summary>The clip of a scene. The same arguments give the same bytes.</summary>
    /// <param name="scene">What to draw.</param>
    /// <param name="width">Width in pixels, at least 64.</param>
    /// <param name="height">Height in pixels, at least 48.</param>
    /// <param name="frames">Number of frames; the whole motion is spread over them.</param>
    /// <returns>RGB24, <c>[T, H, W, 3]</c>.</returns>
    /// <exception cref="ArgumentException">The scene does not have one or two objects, one of two is large, or day turns to
    /// night on <see cref="Background.StarryNight"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The clip is too small.</exception>
    public static byte[] Render(Scene scene, int width, int height, int frames)
    {
        ArgumentNullException.ThrowIfNull(scene);
        scene.Check();
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 64);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 48);
        ArgumentOutOfRangeException.ThrowIfLessThan(frames, 1);

        byte[] pixels = new byte[height * width * 4], clip = new byte[checked(frames * height * width * 3)];
        using var day = BackgroundPainter.Paint(scene.Background, scene.Seed, width, height);
        using var night = scene.Motion == Motion.DayToNight ? BackgroundPainter.Night(day, scene.Background, scene.Seed) : null;
        using var picture = day.Copy();
        using var canvas = new SKCanvas(picture);
        using var over = new SKPaint();
        ObjectPainter[] painters = [.. scene.Objects.Select(o => new ObjectPainter(o))];
        try
        {
            for (int frame = 0; frame < frames; frame++)
            {
                canvas.DrawBitmap(day, 0, 0);
                if (night is not null)
                {
                    over.Color = new SKColor(0, 0, 0, (byte)MathF.Round(Motions.Night(scene, frame, frames) * 255));
                    canvas.DrawBitmap(night, 0, 0, over);
                }
                for (int i = 0; i < painters.Length; i++)
                    painters[i].Draw(canvas, Motions.Pose(scene, i, frame, frames, width, height));
                // Not GetPixelSpan, which SkiaSharp 3 declares otherwise: this assembly runs with both.
                Marshal.Copy(picture.GetPixels(), pixels, 0, pixels.Length);
                CopyRgb(pixels, clip.AsSpan(frame * height * width * 3));
            }
        }
        finally
        {
            foreach (ObjectPainter painter in painters) painter.Dispose();
        }
        return clip;
    }

    private static void CopyRgb(ReadOnlySpan<byte> rgba, Span<byte> rgb)
    {
        for (int from = 0, to = 0; from < rgba.Length; from += 4, to += 3)
        {
            rgb[to] = rgba[from];
            rgb[to + 1] = rgba[from + 1];
            rgb[to + 2] = rgba[from + 2];
        }
    }
}
