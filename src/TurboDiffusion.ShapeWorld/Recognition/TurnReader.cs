namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>
/// Measures how far an object turns about its centre: rings around the centre are shifted onto those of an earlier frame.
/// </summary>
internal static class TurnReader
{
    private const int Rings = 7, Angles = 120, Largest = Angles / 8;

    // A shift must explain this share of what changes between two frames.
    private const float LeastExplained = 0.25f;

    /// <summary>The turn from the first frame to the last, in whole turns; clockwise is positive.</summary>
    public static float Turns(ObjectTrack track, Clip clip)
    {
        Region[] found = [.. track.Found];
        float x = found.Average(r => r.X), y = found.Average(r => r.Y), radius = MathF.Sqrt((float)found.Average(r => r.Area) / MathF.PI);
        float[][] rings = [.. found.Select(r => Sample(clip.Frame(r.Frame), clip, x, y, radius))];
        // What does not turn, light and shade, is the same in all frames.
        for (int i = 0; i < rings[0].Length; i++)
        {
            float mean = rings.Average(r => r[i]);
            foreach (float[] ring in rings) ring[i] -= mean;
        }
        // About a sixteenth of the clip at a time, so that the shift is well above one sample.
        int lag = Math.Max(1, (clip.Frames - 1) / 16);
        var shifts = new List<float>();
        for (int frame = lag; frame < rings.Length; frame++)
            shifts.Add(Shift(rings[frame - lag], rings[frame]));
        return shifts.Sum() / lag / Angles * (clip.Frames - 1) / (rings.Length - lag);
    }

    private static float[] Sample(ReadOnlySpan<byte> frame, Clip clip, float centreX, float centreY, float radius)
    {
        var samples = new float[Rings * Angles * 3];
        for (int ring = 0, at = 0; ring < Rings; ring++)
            for (int angle = 0; angle < Angles; angle++)
            {
                (float sin, float cos) = MathF.SinCos(MathF.Tau * angle / Angles);
                float r = radius * (0.3f + 0.14f * ring);
                float x = Math.Clamp(centreX + r * cos, 0, clip.Width - 1.001f), y = Math.Clamp(centreY + r * sin, 0, clip.Height - 1.001f);
                (int x0, int y0) = ((int)x, (int)y);
                (float fx, float fy) = (x - x0, y - y0);
                int i = (y0 * clip.Width + x0) * 3, below = i + clip.Width * 3;
                if (y0 + 1 >= clip.Height) below = i;
                for (int c = 0; c < 3; c++)
                    samples[at++] = (frame[i + c] * (1 - fx) + frame[i + 3 + c] * fx) * (1 - fy)
                        + (frame[below + c] * (1 - fx) + frame[below + 3 + c] * fx) * fy;
            }
        return samples;
    }

    // In samples; 0 where no shift explains the change.
    private static float Shift(float[] before, float[] after)
    {
        var errors = new float[2 * Largest + 1];
        for (int shift = -Largest; shift <= Largest; shift++)
        {
            float sum = 0;
            for (int ring = 0; ring < Rings; ring++)
                for (int angle = 0; angle < Angles; angle++)
                {
                    int from = (ring * Angles + (angle - shift + Angles) % Angles) * 3, to = (ring * Angles + angle) * 3;
                    for (int c = 0; c < 3; c++)
                    {
                        float d = after[to + c] - before[from + c];
                        sum += d * d;
                    }
                }
            errors[shift + Largest] = sum;
        }
        int best = Array.IndexOf(errors, errors.Min());
        return errors[best] < (1 - LeastExplained) * errors[Largest] ? best - Largest : 0;
    }
}
