using System.Runtime.InteropServices;
using SkiaSharp;

namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>
/// The colours that a background has at each height, whatever its free details: collected from many renderings, looked up
/// as the distance of a pixel to the nearest of them.
/// </summary>
internal sealed class BackgroundModel
{
    private const int Width = 192, Height = 112, Seeds = 16;
    private const int BandRows = 4, Bands = Height / BandRows;

    // Colours are looked up with the upper five bits of each channel.
    private const int Shift = 3, Levels = 256 >> Shift;

    // Colours closer than this count as one; those of fewer pixels than one in a hundred (stars) are not background.
    private const int Merge = 12, RarestShare = 100;

    private static readonly Lazy<BackgroundModel>[] Models =
        [.. Enum.GetValues<Background>().Select(b => new Lazy<BackgroundModel>(() => new BackgroundModel(b)))];

    private readonly byte[] _distances = new byte[Bands * Levels * Levels * Levels];

    private BackgroundModel(Background background)
    {
        Background = background;
        var bands = new Dictionary<int, int>[Bands];
        for (int band = 0; band < Bands; band++) bands[band] = [];
        var rgba = new byte[Width * Height * 4];
        for (int seed = 0; seed < Seeds; seed++)
        {
            using SKBitmap picture = BackgroundPainter.Paint(background, seed, Width, Height);
            // GetPixelSpan is not the same method in all versions of SkiaSharp.
            Marshal.Copy(picture.GetPixels(), rgba, 0, rgba.Length);
            Count(rgba, bands);
        }
        Parallel.For(0, Bands, band => Fill(band, Colours(bands, band)));
    }

    /// <summary>Which background.</summary>
    public Background Background { get; }

    /// <summary>The models of all backgrounds.</summary>
    public static IEnumerable<BackgroundModel> All => Models.Select(m => m.Value);

    /// <summary>
    /// How far a colour is from the nearest one that the background has at this height: Euclidean, in levels, at most 255.
    /// </summary>
    public byte Distance(int y, int height, byte r, byte g, byte b) =>
        _distances[((y * Bands / height * Levels + (r >> Shift)) * Levels + (g >> Shift)) * Levels + (b >> Shift)];

    private static void Count(ReadOnlySpan<byte> rgba, Dictionary<int, int>[] bands)
    {
        for (int i = 0; i < rgba.Length; i += 4)
        {
            Dictionary<int, int> band = bands[i / 4 / Width / BandRows];
            int colour = Coarse(rgba[i]) << 16 | Coarse(rgba[i + 1]) << 8 | Coarse(rgba[i + 2]);
            band[colour] = band.GetValueOrDefault(colour) + 1;
        }
    }

    // To every fourth level: fewer colours to count.
    private static int Coarse(byte level) => level & ~3 | 2;

    // The frequent colours of a band and its neighbours.
    private static List<(int R, int G, int B)> Colours(Dictionary<int, int>[] bands, int band)
    {
        var clusters = new List<(int R, int G, int B, int Count)>();
        int total = 0;
        for (int near = Math.Max(0, band - 1); near <= Math.Min(Bands - 1, band + 1); near++)
            foreach ((int colour, int count) in bands[near].OrderByDescending(c => c.Value).ThenBy(c => c.Key))
            {
                total += count;
                (int r, int g, int b) = (colour >> 16, colour >> 8 & 255, colour & 255);
                int at = clusters.FindIndex(c => Squared(c.R - r, c.G - g, c.B - b) <= Merge * Merge);
                if (at < 0) clusters.Add((r, g, b, count));
                else clusters[at] = clusters[at] with { Count = clusters[at].Count + count };
            }
        return [.. clusters.Where(c => c.Count * RarestShare >= total).Select(c => (c.R, c.G, c.B))];
    }

    private void Fill(int band, List<(int R, int G, int B)> colours)
    {
        int at = band * Levels * Levels * Levels;
        for (int r = 0; r < Levels; r++)
            for (int g = 0; g < Levels; g++)
                for (int b = 0; b < Levels; b++)
                {
                    int best = int.MaxValue;
                    foreach ((int red, int green, int blue) in colours)
                        best = Math.Min(best, Squared(Middle(r) - red, Middle(g) - green, Middle(b) - blue));
                    _distances[at++] = (byte)Math.Min(255, MathF.Sqrt(best));
                }
    }

    private static int Middle(int level) => (level << Shift) + (1 << (Shift - 1));

    private static int Squared(int r, int g, int b) => r * r + g * g + b * b;
}
