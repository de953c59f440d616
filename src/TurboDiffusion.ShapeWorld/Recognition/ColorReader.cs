namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>Tells colours by the hue of most of an object's pixels: light, shade and texture leave it as it is.</summary>
internal static class ColorReader
{
    // Less saturated is white, as long as it is not dark.
    private const float LeastSaturation = 0.2f;
    private const int DarkestWhite = 100;

    private static readonly (ShapeColor Color, float Hue)[] Hues =
    [
        .. Enum.GetValues<ShapeColor>().Where(c => c != ShapeColor.White).Select(c => (c, Hue(Palette.Of(c)))),
    ];

    /// <summary>The colour of a track, or null where no colour has half of the pixels.</summary>
    public static ShapeColor? Read(ObjectTrack track, Clip clip)
    {
        var votes = new int[Enum.GetValues<ShapeColor>().Length];
        int all = 0;
        foreach (Region region in ShapeReader.Clearest(track))
        {
            ReadOnlySpan<byte> frame = clip.Frame(region.Frame);
            var inside = new HashSet<int>(region.Pixels);
            foreach (int i in region.Pixels)
            {
                if (!IsDeep(inside, i, clip.Width)) continue;
                all++;
                if (Classify((frame[3 * i], frame[3 * i + 1], frame[3 * i + 2])) is { } color) votes[(int)color]++;
            }
        }
        int best = Array.IndexOf(votes, votes.Max());
        return all > 0 && votes[best] * 2 > all ? (ShapeColor)best : null;
    }

    // The outline and the light around it are up to two pixels wide.
    private static bool IsDeep(HashSet<int> inside, int i, int width) =>
        inside.Contains(i - 2) && inside.Contains(i + 2) && inside.Contains(i - 2 * width) && inside.Contains(i + 2 * width);

    private static ShapeColor? Classify((byte R, byte G, byte B) rgb)
    {
        int high = Math.Max(rgb.R, Math.Max(rgb.G, rgb.B)), low = Math.Min(rgb.R, Math.Min(rgb.G, rgb.B));
        if (high - low < LeastSaturation * high) return high >= DarkestWhite ? ShapeColor.White : null;
        float hue = Hue(rgb);
        return Hues.MinBy(h => MathF.Abs(MathF.IEEERemainder(h.Hue - hue, 360))).Color;
    }

    // In degrees.
    private static float Hue((byte R, byte G, byte B) rgb)
    {
        (float r, float g, float b) = (rgb.R, rgb.G, rgb.B);
        float high = Math.Max(r, Math.Max(g, b)), chroma = high - Math.Min(r, Math.Min(g, b));
        if (chroma == 0) return 0;
        return 60 * (high == r ? (g - b) / chroma : high == g ? 2 + (b - r) / chroma : 4 + (r - g) / chroma);
    }
}
