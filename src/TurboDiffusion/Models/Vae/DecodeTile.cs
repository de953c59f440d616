namespace TurboDiffusion.Models.Vae;

/// <summary>
/// A strip of a clip that is decoded by itself: some rows, or columns, of the latents. Layers see it with as many more around it as
/// reach it, so that the strips put together are the frames of the whole, without a seam.
/// </summary>
/// <param name="Axis">3: rows; 4: columns.</param>
/// <param name="Begin">The first, in latent cells.</param>
/// <param name="End">After the last.</param>
internal readonly record struct DecodeTile(int Axis, long Begin, long End)
{
    /// <summary>Divides the longer axis into strips of one size, or one less.</summary>
    /// <param name="height">Rows of the latents.</param>
    /// <param name="width">Columns.</param>
    /// <param name="count">Strips; at most as many as the axis is long.</param>
    public static IReadOnlyList<DecodeTile> Divide(long height, long width, int count)
    {
        (int axis, long length) = height > width ? (3, height) : (4, width);
        return [.. Enumerable.Range(0, count).Select(i => new DecodeTile(axis, i * length / count, (i + 1) * length / count))];
    }

    /// <summary>What of every layer's input, and of the last one's output, the strip depends on.</summary>
    /// <param name="length">Of the axis, in latent cells.</param>
    /// <param name="layers">
    /// For each layer, pixels of its input on either side that a pixel depends on, and how many pixels one becomes.
    /// </param>
    /// <returns>One span more than there are layers, each in pixels of its own resolution.</returns>
    public IReadOnlyList<(long Begin, long End)> Needs(long length, IReadOnlyList<(int Reach, int Scale)> layers)
    {
        long scale = layers.Aggregate(1L, (all, layer) => all * layer.Scale);
        var needs = new (long Begin, long End)[layers.Count + 1];
        needs[^1] = (Begin * scale, End * scale);
        for (int i = layers.Count - 1; i >= 0; i--)
        {
            (int reach, int enlarges) = layers[i];
            (long begin, long end) = needs[i + 1];
            scale /= enlarges;
            needs[i] = (Math.Max(begin / enlarges - reach, 0), Math.Min((end + enlarges - 1) / enlarges + reach, length * scale));
        }
        return needs;
    }
}
