namespace TurboDiffusion.Generation.Media;

/// <summary>What an input image may be at most. Checked on the file's size and header, before its pixels are decoded.</summary>
/// <param name="MaxBytes">Bytes of the encoded file.</param>
/// <param name="MaxPixels">Width times height.</param>
/// <param name="MaxSide">Width or height.</param>
public sealed record ImageLimits(long MaxBytes = 64L << 20, long MaxPixels = 64_000_000, int MaxSide = 16_384)
{
    /// <summary>64 MiB, 64 million pixels, 16384 pixels on a side.</summary>
    public static ImageLimits Default { get; } = new();
}
