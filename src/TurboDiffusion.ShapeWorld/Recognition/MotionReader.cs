namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>Tells motions by the way of an object's centre, its area, when it comes into view, and how it turns.</summary>
internal static class MotionReader
{
    // Parts of the picture's height.
    private const float StillRange = 0.1f, LeastRange = 0.22f;

    // Of an object's middle to the background, for it to tell anything.
    private const float LeastContrast = 24;

    // The correlation with time of what grows, shrinks or fades in.
    private const float LeastTrend = 0.8f;

    /// <summary>The motion of one object, or null.</summary>
    public static Motion? Read(ObjectTrack track, Clip clip, BackgroundModel background)
    {
        Region[] found = [.. track.Found];
        if (found.Length < 3) return null;
        float[] x = [.. found.Select(r => r.X / clip.Height)], y = [.. found.Select(r => r.Y / clip.Height)];
        float wide = Range(x), high = Range(y);
        // Of what fades in, single parts are seen first.
        int seen = found.Length / 3;
        bool still = Math.Max(Range(x[seen..]), Range(y[seen..])) < StillRange && Math.Max(wide, high) < 3 * StillRange;
        if (still) return Still(track, found, clip, background);
        // A moving object is seen nearly all the time.
        return found.Length < 0.75 * clip.Frames ? null : Moving(x, y, wide, high);
    }

    private static Motion? Moving(float[] x, float[] y, float wide, float high)
    {
        float right = x[^1] - x[0], down = y[^1] - y[0];
        if (Turns(x, y) is > 0.75f and < 1.25f && Math.Max(MathF.Abs(right), MathF.Abs(down)) < 0.45f * Math.Max(wide, high)
            && Math.Min(wide, high) > 0.6f * Math.Max(wide, high))
            return Motion.Orbit;
        bool across = MathF.Abs(right) > 0.85f * wide && wide > 2 * LeastRange && Steady(x);
        if (across && high > LeastRange && Hops(y) > 0.75f) return Motion.Bounce;
        if (across && high < 0.25f * wide) return right > 0 ? Motion.Right : Motion.Left;
        bool upright = MathF.Abs(down) > 0.85f * high && high > LeastRange && Steady(y);
        return upright && wide < 0.35f * high ? down > 0 ? Motion.Down : Motion.Up : null;
    }

    private static Motion? Still(ObjectTrack track, Region[] found, Clip clip, BackgroundModel background)
    {
        float first = Area(found[..Math.Max(1, found.Length / 8)]), last = Area(found[^Math.Max(1, found.Length / 8)..]);
        bool fromTheStart = found[0].Frame <= clip.Frames / 16, toTheEnd = found[^1].Frame >= clip.Frames - 1 - clip.Frames / 16;
        // What fades in becomes visible in its middle, too; what grows was there from the start, or too small to be seen.
        float[] contrast = Contrast(found, clip, background);
        bool visible = contrast[^1] >= LeastContrast;
        bool fades = visible
            ? contrast[0] < 0.3f * contrast[^1] + 8 && contrast[contrast.Length / 4] < 0.8f * contrast[^1]
            && WithTime(contrast) > LeastTrend
            : !fromTheStart && first > 0.5f * last;
        if (fades) return toTheEnd && found.Length >= 0.4 * clip.Frames ? Motion.FadeIn : null;
        if (found.Length < 0.5 * clip.Frames) return null;
        float growth = WithTime([.. found.Select(r => MathF.Sqrt(r.Area))]);
        if (toTheEnd && last > 2.2f * first) return growth > LeastTrend ? Motion.Grow : null;
        if (fromTheStart && first > 2.2f * last) return growth < -LeastTrend ? Motion.Shrink : null;
        return fromTheStart && toTheEnd && MathF.Abs(TurnReader.Turns(track, clip)) is > 0.6f and < 1.4f ? Motion.Spin : null;
    }

    private static int Area(Region[] regions) => regions.Select(r => r.Area).Order().ElementAt(regions.Length / 2);

    // How unlike the background the middle of an object is, by frame.
    private static float[] Contrast(Region[] found, Clip clip, BackgroundModel background)
    {
        Region end = found[^1];
        int largest = found.Max(r => r.Area), radius = Math.Max(1, (int)(0.25f * MathF.Sqrt(largest / MathF.PI)));
        var contrast = new float[clip.Frames];
        for (int frame = 0; frame < clip.Frames; frame++)
        {
            ReadOnlySpan<byte> rgb = clip.Frame(frame);
            int count = 0;
            for (int y = Math.Max(0, (int)end.Y - radius); y <= Math.Min(clip.Height - 1, (int)end.Y + radius); y++)
                for (int x = Math.Max(0, (int)end.X - radius); x <= Math.Min(clip.Width - 1, (int)end.X + radius); x++, count++)
                {
                    int i = (y * clip.Width + x) * 3;
                    contrast[frame] += background.Distance(y, clip.Height, rgb[i], rgb[i + 1], rgb[i + 2]);
                }
            contrast[frame] /= count;
        }
        return contrast;
    }

    private static float Range(float[] values) => values.Max() - values.Min();

    // How many times a way goes round its middle.
    private static float Turns(float[] x, float[] y)
    {
        float middleX = (x.Min() + x.Max()) / 2, middleY = (y.Min() + y.Max()) / 2, sum = 0;
        for (int i = 1; i < x.Length; i++)
            sum += MathF.IEEERemainder(
                MathF.Atan2(y[i] - middleY, x[i] - middleX) - MathF.Atan2(y[i - 1] - middleY, x[i - 1] - middleX), MathF.Tau);
        return MathF.Abs(sum) / MathF.Tau;
    }

    // Whether values go one way nearly all the time.
    private static bool Steady(float[] values)
    {
        float way = 0;
        for (int i = 1; i < values.Length; i++) way += MathF.Abs(values[i] - values[i - 1]);
        return way < 1.5f * MathF.Abs(values[^1] - values[0]);
    }

    // The correlation with two hops.
    private static float Hops(float[] y) => Correlation(y, i =>
    {
        float hop = 2f * i / (y.Length - 1) % 1 * 2 - 1;
        return hop * hop;
    });

    private static float WithTime(float[] values) => Correlation(values, i => i);

    private static float Correlation(float[] values, Func<int, float> other)
    {
        float[] others = [.. Enumerable.Range(0, values.Length).Select(other)];
        float meanX = values.Average(), meanY = others.Average(), xy = 0, xx = 0, yy = 0;
        for (int i = 0; i < values.Length; i++)
        {
            (float x, float y) = (values[i] - meanX, others[i] - meanY);
            (xy, xx, yy) = (xy + x * y, xx + x * x, yy + y * y);
        }
        return xx * yy == 0 ? 0 : xy / MathF.Sqrt(xx * yy);
    }
}
