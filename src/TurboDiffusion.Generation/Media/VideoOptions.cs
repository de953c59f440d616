namespace TurboDiffusion.Generation.Media;

/// <summary>How a video file is written.</summary>
public sealed record VideoOptions
{
    /// <summary>H.264, quality 18, nothing overwritten.</summary>
    public static VideoOptions Default { get; } = new();

    /// <summary>Replace a file (or a folder of frames) that exists already.</summary>
    public bool Overwrite { get; init; }

    /// <summary>
    /// Constant rate factor, where the container has one: 0 (lossless, or nearly) to 51 for MP4 and to 63 for WebM; lower
    /// is better and larger. Null takes 18 for MP4 and 30 for WebM.
    /// </summary>
    public int? Crf { get; init; }

    /// <summary>
    /// MP4: encode on an NVIDIA GPU's encoder (NVENC) in place of x264. Whether it works here is tried before the work begins.
    /// </summary>
    public bool Nvenc { get; init; }
}
