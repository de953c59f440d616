using TurboDiffusion.Operators.Attention;

namespace TurboDiffusion.Models.Vae;

/// <summary>How a clip is decoded so that it stays within a budget of memory.</summary>
/// <param name="Frames">Frames at full resolution that go through its layers together.</param>
/// <param name="Tiles">Strips that are decoded by themselves.</param>
/// <param name="TileByTile">
/// Whether a strip is decoded to the clip's end before the next begins, so that one strip's past is kept and not all of them; the
/// frames are then complete only at the end, and are kept in the computer's memory until then.
/// </param>
/// <param name="Peak">Bytes that it takes on the device at most, weights aside: an estimate, see <see cref="Of"/>.</param>
internal sealed record DecodePlan(int Frames, int Tiles, bool TileByTile, long Peak)
{
    private const int MostTiles = 8, LeastCells = 6;

    // What a GPU takes for so many bytes of values: libtorch's allocator keeps blocks of sizes that no longer occur, and libraries have
    // memory of their own. Fitted to what an H200 takes where convolutions read frames where they lie (VaeTests has the figures).
    private const double Allocated = 1.13;
    private const long OfLibraries = 450_000_000;

    // Together, frames need fewer launches.
    private static readonly int[] FramesTogether = [4, 2, 1];

    /// <summary>The fastest plan within a budget, or the smallest.</summary>
    /// <param name="config">The network.</param>
    /// <param name="latents">Frames, rows and columns of the latents.</param>
    /// <param name="elementSize">Bytes of a value.</param>
    /// <param name="budget">Bytes.</param>
    /// <param name="onGpu">Whether on a GPU, where several frames together are faster.</param>
    /// <param name="inFrames">Whether convolutions read frames where they lie, and not windows of them.</param>
    public static DecodePlan Within(VaeConfig config, (long Frames, long Height, long Width) latents, int elementSize, long budget,
        bool onGpu, bool inFrames)
    {
        int most = (int)Math.Clamp(Math.Max(latents.Height, latents.Width) / LeastCells, 1, MostTiles);
        IEnumerable<(int Frames, int Tiles, bool TileByTile)> plans =
        [
            .. FramesTogether.Where(f => f == 1 || onGpu).Select(f => (f, 1, false)),
            .. Enumerable.Range(2, most - 1).Select(t => (1, t, false)),
            .. Enumerable.Range(2, most - 1).Select(t => (1, t, true)),
        ];
        DecodePlan? last = null;
        foreach ((int frames, int tiles, bool tileByTile) in plans)
        {
            last = Of(config, latents, elementSize, frames, tiles, tileByTile, onGpu, inFrames);
            if (last.Peak <= budget) break;
        }
        return last!;
    }

    /// <summary>A plan with its peak: the past of all convolutions, and the layer that holds most beside it.</summary>
    /// <param name="config">The network.</param>
    /// <param name="latents">Frames, rows and columns of the latents.</param>
    /// <param name="elementSize">Bytes of a value.</param>
    /// <param name="frames">Frames together.</param>
    /// <param name="tiles">Strips.</param>
    /// <param name="tileByTile">Whether one after another.</param>
    /// <param name="onGpu">Whether on a GPU.</param>
    /// <param name="inFrames">Whether convolutions read frames where they lie.</param>
    public static DecodePlan Of(VaeConfig config, (long Frames, long Height, long Width) latents, int elementSize, int frames, int tiles,
        bool tileByTile, bool onGpu, bool inFrames)
    {
        (long past, long layer)[] strips = [.. DecodeTile.Divide(latents.Height, latents.Width, tiles)
            .Select(tile => OfStrip(config, latents, frames, inFrames, tile))];
        long cells = latents.Height * latents.Width, coarsest = (long)config.DecoderDim * config.DimMult[^1];
        // Of the layers before the strips: what four convolutions of two residual blocks keep, and the first one's latents; at attention,
        // its input, its result before and after the last product, and q, k and v in two dtypes.
        long before = 2 * cells * (4 * coarsest + config.ZDim),
            attention = WideAttention.LivingScores(cells, elementSize) + 9 * cells * coarsest, layer = strips.Max(s => s.layer);
        long values = before + (tileByTile
            ? latents.Frames * cells * coarsest + Math.Max(strips.Max(s => s.past) + layer, attention)
            : strips.Sum(s => s.past) + Math.Max(layer, attention));
        return new DecodePlan(frames, tiles, tileByTile,
            (long)((inFrames ? Allocated : 1) * values * elementSize) + (onGpu ? OfLibraries : 0));
    }

    /// <summary>Values of the past that a strip's convolutions keep.</summary>
    internal static long Past(VaeConfig config, (long Frames, long Height, long Width) latents, DecodeTile tile) =>
        OfStrip(config, latents, 1, false, tile).Past;

    private static (long Past, long Layer) OfStrip(
        VaeConfig config, (long Frames, long Height, long Width) latents, int framesTogether, bool inFrames, DecodeTile tile)
    {
        Level[] levels = [.. Levels(config)];
        (long length, long across) = tile.Axis == 3 ? (latents.Height, latents.Width) : (latents.Width, latents.Height);
        IReadOnlyList<(long Begin, long End)> needs = tile.Needs(length, [.. levels.Select(l => (l.Reach, l.Scale))]);
        int lastTime = Array.FindLastIndex(levels, l => l.DoublesTime);
        long past = 0, layer = 0, frames = 1, waiting = 0, scale = 1;
        for (int i = 0; i < levels.Length; i++)
        {
            (long begin, long end) = needs[i];
            long area = (end - begin) * across * scale, together = i > lastTime ? Math.Min(frames, framesTogether) : frames;
            Level l = levels[i];
            // Of the end in one pass, what is kept is next to nothing.
            past += 2 * area * (inFrames && l.Scale == 1 ? l.Kept - l.Channels : l.Kept);
            // A convolution's input and its residual, windows of three frames of it, its result before and after the sum; and the past
            // that it keeps next, before that of before is given up. Of frames: input or residual, normalised frames, result; a strip's are
            // cut out for the one and for the other, beside the frame that they are of.
            bool cut = end - begin < length * scale;
            long block = area * l.Widest * (inFrames ? together * (cut ? 5 : 3) : together * 7 + 2);
            long after = l.DoublesTime ? 2 * together : together;
            // The small frames, before and after time is doubled and put in order; the four pixels of each, which are put in their places
            // where a kernel does not write them there.
            long enlarge = l.Scale == 1 ? 0
                : area * (l.Channels * (together + (l.DoublesTime ? 2 * after : 0)) + (inFrames ? 4 : 8) * l.Next * after);
            layer = Math.Max(layer, waiting + Math.Max(block, enlarge));
            frames *= l.DoublesTime ? 2 : 1;
            scale *= l.Scale;
            // What the last frames of a chunk wait in, while the first go on.
            if (i == lastTime) waiting = area * l.Scale * l.Scale * l.Next * frames;
        }
        return (past, layer);
    }

    private static IEnumerable<Level> Levels(VaeConfig config)
    {
        long channels = (long)config.DecoderDim * config.DimMult[^1];
        for (int level = config.DimMult.Count - 1; level >= 0; level--)
        {
            long width = (long)config.DecoderDim * config.DimMult[level], next = config.HasShortcuts ? width : width / 2;
            bool last = level == 0, doubles = !last && config.TemporalDownsample[level - 1];
            int blocks = config.NumResBlocks + 1;
            // Of each block two convolutions; one over time, or the last of all.
            long kept = channels + (2 * blocks - 1) * width + (doubles || last ? width : 0);
            yield return new Level(width, Math.Max(channels, width), next, kept, 2 * blocks + 1, last ? 1 : 2, doubles);
            channels = next;
        }
    }

    // Kept: channels of all its convolutions' inputs.
    private sealed record Level(long Channels, long Widest, long Next, long Kept, int Reach, int Scale, bool DoublesTime);
}
