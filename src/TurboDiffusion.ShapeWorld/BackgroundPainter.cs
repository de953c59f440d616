using SkiaSharp;

namespace TurboDiffusion.ShapeWorld;

/// <summary>Draws the still backgrounds. Lengths are parts of the picture's height.</summary>
internal static class BackgroundPainter
{
    /// <summary>RGBA, opaque; the caller disposes of it.</summary>
    public static SKBitmap Paint(Background background, int seed, int width, int height)
    {
        var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        using var canvas = new SKCanvas(bitmap);
        canvas.Scale(height);
        float w = (float)width / height;
        var random = SceneRandom.For(seed, 2);
        switch (background)
        {
            case Background.StarryNight: StarryNight(canvas, w, random); break;
            case Background.BlueSky: BlueSky(canvas, w, random); break;
            case Background.Meadow: Meadow(canvas, w, random); break;
            case Background.Desert: Desert(canvas, w, random); break;
            case Background.Ocean: Ocean(canvas, w, random); break;
            case Background.Mountains: Mountains(canvas, w, random); break;
            case Background.Studio: Studio(canvas, w, random); break;
            default: throw new ArgumentOutOfRangeException(nameof(background), background, "No such background.");
        }
        return bitmap;
    }

    /// <summary>The same place in moonlight, outdoors under a few stars; the caller disposes of it.</summary>
    public static SKBitmap Night(SKBitmap day, Background background, int seed)
    {
        SKBitmap night = day.Copy();
        using var canvas = new SKCanvas(night);
        canvas.DrawColor(new SKColor(56, 64, 118), SKBlendMode.Modulate);
        canvas.Scale(day.Height);
        if (background != Background.Studio)
            Stars(canvas, (float)day.Width / day.Height, 0.28f, 10, SceneRandom.For(seed, 6));
        return night;
    }

    private static void StarryNight(SKCanvas canvas, float w, SceneRandom random)
    {
        Fill(canvas, w, 0, 1, 0x0A0E2E, 0x1A1F54, 0x3A3478);
        Stars(canvas, w, 0.84f, 36, random);
        Ridge(canvas, w, 0.9f, 0.035f, 1.1f, random.Next(0, MathF.Tau), 0x14143C);
        Ridge(canvas, w, 0.95f, 0.025f, 0.7f, random.Next(0, MathF.Tau), 0x0C0C28);
    }

    private static void BlueSky(SKCanvas canvas, float w, SceneRandom random)
    {
        Fill(canvas, w, 0, 1, 0x62B4F2, 0x9AD2F8, 0xD2EDFC);
        float shift = random.Next(-0.08f, 0.08f);
        Cloud(canvas, 0.2f * w + shift, 0.24f, random.Next(0.9f, 1.1f));
        Cloud(canvas, 0.74f * w - shift, 0.38f, random.Next(1.1f, 1.3f));
        Cloud(canvas, 0.36f * w - shift, 0.74f, random.Next(1.1f, 1.3f));
        Cloud(canvas, 0.9f * w + shift, 0.86f, random.Next(0.8f, 1f));
    }

    private static void Meadow(SKCanvas canvas, float w, SceneRandom random)
    {
        Fill(canvas, w, 0, 0.6f, 0xC4E4F0, 0xDCEFE6, 0xEEF4DA);
        Ridge(canvas, w, 0.52f, 0.05f, 1.3f, random.Next(0, 1.5f), 0xC4DC8C);
        Ridge(canvas, w, 0.66f, 0.05f, 1.0f, random.Next(2, 3.5f), 0xAACE70);
        Ridge(canvas, w, 0.83f, 0.04f, 0.8f, random.Next(4, 5.5f), 0x92BE5A);
    }

    private static void Desert(SKCanvas canvas, float w, SceneRandom random)
    {
        Fill(canvas, w, 0, 0.65f, 0xF2DCC0, 0xF6E6CC, 0xFAF0DC);
        Ridge(canvas, w, 0.56f, 0.06f, 1.5f, random.Next(0, 1.5f), 0xEACFA2);
        Ridge(canvas, w, 0.7f, 0.07f, 1.2f, random.Next(2, 3.5f), 0xDDBB8A);
        Ridge(canvas, w, 0.86f, 0.06f, 1.0f, random.Next(4, 5.5f), 0xCCA674);
    }

    private static void Ocean(SKCanvas canvas, float w, SceneRandom random)
    {
        Fill(canvas, w, 0, 0.3f, 0xD8ECEC, 0xE2F2EE, 0xECF6F0);
        Fill(canvas, w, 0.28f, 1, 0x6CC0C0, 0x3A9CA6, 0x1A6C80);
        using var paint = new SKPaint
        {
            IsAntialias = true, IsStroke = true, StrokeCap = SKStrokeCap.Round, Color = new SKColor(255, 255, 255, 70),
        };
        float shift = random.Next(0f, 1f);
        for (int row = 0; row < 6; row++)
        {
            float depth = row / 5f, y = 0.36f + 0.56f * depth * (0.6f + 0.4f * depth), length = 0.16f + 0.22f * depth;
            paint.StrokeWidth = 0.008f + 0.012f * depth;
            using var path = new SKPath();
            for (float x = -(shift + row * 0.4f) % 1 * length; x < w; x += length)
            {
                path.MoveTo(x, y);
                path.QuadTo(x + length / 4, y - 0.12f * length, x + length / 2, y);
                path.QuadTo(x + length * 3 / 4, y + 0.12f * length, x + length, y);
            }
            canvas.DrawPath(path, paint);
        }
    }

    private static void Mountains(SKCanvas canvas, float w, SceneRandom random)
    {
        Fill(canvas, w, 0, 0.8f, 0xDCD2F0, 0xEADFF2, 0xF6EAF0);
        Peaks(canvas, w, 0.42f, 0.12f, random.Next(0, 0.2f), 0xC8BEE2);
        Peaks(canvas, w, 0.6f, 0.13f, random.Next(0.3f, 0.5f), 0xA9A0CE);
        Peaks(canvas, w, 0.8f, 0.11f, random.Next(0.6f, 0.8f), 0x8A84B8);
    }

    private static void Studio(SKCanvas canvas, float w, SceneRandom random)
    {
        Fill(canvas, w, 0, 0.76f, 0xB4B2AE, 0xC2C0BC, 0xB6B4B0);
        Fill(canvas, w, 0.76f, 1, 0x96948F, 0xA4A29D, 0xB0AEA9);
        using var light = SKShader.CreateRadialGradient(
            new SKPoint(w / 2 + random.Next(-0.3f, 0.3f), 0.4f), 1,
            [new SKColor(255, 255, 255, 70), new SKColor(255, 255, 255, 0)], SKShaderTileMode.Clamp);
        using var paint = new SKPaint { Shader = light };
        canvas.DrawRect(0, 0, w, 1, paint);
    }

    // One of four patterns, so that a small model can learn them.
    private static void Stars(SKCanvas canvas, float w, float bottom, int count, SceneRandom random)
    {
        var pattern = SceneRandom.For(random.Next(4), 7);
        using var paint = new SKPaint { IsAntialias = true };
        for (int i = 0; i < count; i++)
        {
            float x = pattern.Next(0, w), y = pattern.Next(0.02f, bottom), radius = pattern.Next(0.006f, 0.013f);
            paint.Color = new SKColor(255, 250, 220, 50);
            canvas.DrawCircle(x, y, radius * 2.2f, paint);
            paint.Color = new SKColor(255, 250, 226, 240);
            canvas.DrawCircle(x, y, radius, paint);
        }
    }

    // A vertical gradient between two heights.
    private static void Fill(SKCanvas canvas, float w, float top, float bottom, params uint[] colors)
    {
        using var shader = SKShader.CreateLinearGradient(
            new SKPoint(0, top), new SKPoint(0, bottom), [.. colors.Select(Opaque)], SKShaderTileMode.Clamp);
        using var paint = new SKPaint { Shader = shader };
        canvas.DrawRect(0, top, w, bottom - top, paint);
    }

    // A rolling line of hills, filled to the bottom.
    private static void Ridge(SKCanvas canvas, float w, float y, float amplitude, float length, float phase, uint color)
    {
        using var path = new SKPath();
        path.MoveTo(0, 1);
        for (float x = 0; x < w + 0.04f; x += 0.04f)
        {
            float turn = MathF.Tau * x / length;
            path.LineTo(x, y + amplitude * (MathF.Sin(turn + phase) + 0.4f * MathF.Sin(turn * 2.3f)));
        }
        path.LineTo(w + 0.04f, 1);
        path.Close();
        FillToBottom(canvas, path, y - amplitude, color);
    }

    // A jagged line of mountains, filled to the bottom.
    private static void Peaks(SKCanvas canvas, float w, float y, float amplitude, float shift, uint color)
    {
        float[] heights = [0.2f, 1, 0.35f, 0.75f, 0, 0.9f, 0.25f, 0.6f];
        using var path = new SKPath();
        path.MoveTo(-1, 1);
        int i = (int)(shift * 10);
        for (float x = -shift; x < w + 0.5f; x += 0.24f, i++)
            path.LineTo(x, y - amplitude * (heights[i % heights.Length] - 0.5f));
        path.LineTo(w + 1, 1);
        path.Close();
        FillToBottom(canvas, path, y - amplitude / 2, color);
    }

    // Lighter towards the bottom, like haze.
    private static void FillToBottom(SKCanvas canvas, SKPath path, float top, uint color)
    {
        SKColor c = Opaque(color);
        var haze = new SKColor(Lighter(c.Red), Lighter(c.Green), Lighter(c.Blue));
        using var shader = SKShader.CreateLinearGradient(
            new SKPoint(0, top), new SKPoint(0, top + 0.4f), [c, haze], SKShaderTileMode.Clamp);
        using var paint = new SKPaint { Shader = shader, IsAntialias = true };
        canvas.DrawPath(path, paint);

        static byte Lighter(byte channel) => (byte)(channel + (255 - channel) / 5);
    }

    private static void Cloud(SKCanvas canvas, float x, float y, float size)
    {
        using var paint = new SKPaint { IsAntialias = true, Color = new SKColor(255, 255, 255, 150) };
        using var path = new SKPath();
        (float X, float Y, float R)[] puffs =
            [(-0.16f, 0, 0.06f), (-0.06f, -0.04f, 0.09f), (0.07f, -0.02f, 0.075f), (0.17f, 0.01f, 0.05f)];
        foreach (var puff in puffs)
            path.AddCircle(x + puff.X * size, y + puff.Y * size, puff.R * size);
        path.AddRoundRect(
            new SKRect(x - 0.24f * size, y - 0.01f * size, x + 0.23f * size, y + 0.06f * size), 0.035f * size, 0.035f * size);
        canvas.DrawPath(path, paint);
    }

    private static SKColor Opaque(uint rgb) => new(rgb | 0xFF000000);
}
