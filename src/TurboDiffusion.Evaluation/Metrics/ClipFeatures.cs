namespace TurboDiffusion.Evaluation.Metrics;

/// <summary>
/// Features of a clip for the Fréchet distance, by fixed transforms, without a learned network: what is where and when (mean
/// colours of 12 × 7 cells in 5 parts of the time), what moves where and when (mean change from frame to frame, likewise), and how sharp it
/// is where (second differences of neighbouring pixels). Each of the three is brought to 16 numbers by a fixed random projection,
/// scaled so that real clips vary by about 1 in each.
/// </summary>
public static class ClipFeatures
{
    private const int Columns = 12, Rows = 7, Cells = Columns * Rows, Parts = 5;
    private const int Projected = 16;

    // Bring the three to like sizes: with them, real clips vary by 1 in each.
    private const float AppearanceScale = 1 / 9f, ChangeScale = 1 / 4.4f, SharpnessScale = 1 / 5.2f;

    private static readonly float[][] Appearance = Projection(Parts * Cells * 3, 1), Change = Projection(Parts * Cells, 2),
        Sharpness = Projection(Parts * Cells, 3);

    /// <summary>How many numbers there are.</summary>
    public const int Length = 3 * Projected;

    /// <summary>Measures a clip.</summary>
    /// <param name="rgb">RGB24, <c>[T, H, W, 3]</c>.</param>
    /// <param name="width">Width in pixels.</param>
    /// <param name="height">Height in pixels.</param>
    /// <param name="frames">Number of frames, at least 5.</param>
    /// <returns><see cref="Length"/> numbers; independent of size and length of the clip as far as it looks the same.</returns>
    public static float[] Of(byte[] rgb, int width, int height, int frames)
    {
        ArgumentNullException.ThrowIfNull(rgb);
        if (frames < Parts || rgb.Length != (long)frames * height * width * 3)
            throw new ArgumentException($"{rgb.Length} bytes are not {frames} frames of {width}x{height} in RGB24, at least {Parts} "
                + "frames.", nameof(rgb));
        float[] colour = new float[Parts * Cells * 3], change = new float[Parts * Cells], sharpness = new float[Parts * Cells],
            pixels = new float[Parts * Cells];
        int stride = width * 3, frameSize = height * stride;
        for (int frame = 0; frame < frames; frame++)
            for (int y = 0; y < height; y++)
                for (int x = 0; x < width; x++)
                {
                    int cell = (frame * Parts / frames * Rows + y * Rows / height) * Columns + x * Columns / width;
                    int i = frame * frameSize + y * stride + x * 3;
                    pixels[cell]++;
                    for (int c = 0; c < 3; c++)
                    {
                        int level = rgb[i + c];
                        colour[cell * 3 + c] += level;
                        if (frame > 0) change[cell] += Math.Abs(level - rgb[i + c - frameSize]);
                        // Unlike the first one, the second difference shrinks when an edge is blurred.
                        if (x > 0 && x < width - 1) sharpness[cell] += Square(2 * level - rgb[i + c - 3] - rgb[i + c + 3]);
                        if (y > 0 && y < height - 1) sharpness[cell] += Square(2 * level - rgb[i + c - stride] - rgb[i + c + stride]);
                    }
                }
        for (int cell = 0; cell < Parts * Cells; cell++)
        {
            for (int c = 0; c < 3; c++) colour[cell * 3 + c] /= pixels[cell] * 255;
            // Logarithms, so that strong edges do not outweigh everything.
            change[cell] = MathF.Log(1 + change[cell] / pixels[cell] / 3) / 4;
            sharpness[cell] = MathF.Log(1 + MathF.Sqrt(sharpness[cell] / pixels[cell] / 6)) / 4;
        }
        return [.. Project(Appearance, colour, AppearanceScale), .. Project(Change, change, ChangeScale),
            .. Project(Sharpness, sharpness, SharpnessScale)];
    }

    private static float Square(int difference) => difference * difference;

    private static IEnumerable<float> Project(float[][] projection, float[] values, float scale) =>
        projection.Select(row =>
        {
            float sum = 0;
            for (int i = 0; i < row.Length; i++) sum += row[i] * values[i];
            return scale * sum;
        });

    // Rows of normal numbers, scaled so that lengths are kept on average.
    private static float[][] Projection(int from, ulong purpose)
    {
        using var noise = new Sampling.PhiloxNoise(purpose).Normal(Projected, from);
        float[] values = noise.data<float>().ToArray();
        return [.. Enumerable.Range(0, Projected)
            .Select(row => values[(row * from)..((row + 1) * from)].Select(v => v / MathF.Sqrt(Projected)).ToArray())];
    }
}
