using System.Globalization;
using TorchSharp;

namespace TurboDiffusion.Generation.Media;

/// <summary>The size and speed of a video.</summary>
public sealed record VideoFormat
{
    private const long MostWaitingBytes = 256L << 20, FewestWaiting = 8, MostWaiting = 128;

    /// <summary>Creates a format and checks it.</summary>
    /// <param name="width">Pixels per row; even, as 4:2:0 chroma asks.</param>
    /// <param name="height">Rows; even.</param>
    /// <param name="framesPerSecond">Frames per second.</param>
    /// <exception cref="InvalidRequestException">The size is not positive and even, or the speed not within 0 and 1000.</exception>
    public VideoFormat(int width, int height, double framesPerSecond)
    {
        if (width <= 0 || height <= 0 || width % 2 != 0 || height % 2 != 0)
            throw new InvalidRequestException("size", $"The video is {width}×{height} pixels; width and height must be positive and even.");
        if (!(framesPerSecond is > 0 and <= 1000))
            throw new InvalidRequestException("fps", string.Create(CultureInfo.InvariantCulture,
                $"The speed is {framesPerSecond} frames per second; it must be above 0 and at most 1000."));
        Width = width;
        Height = height;
        FramesPerSecond = framesPerSecond;
    }

    /// <summary>Pixels per row.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>Frames per second.</summary>
    public double FramesPerSecond { get; }

    /// <summary>Bytes of a frame as raw RGB.</summary>
    internal int FrameBytes => checked(Width * Height * 3);

    /// <summary>
    /// Frames that may wait for a writer before the decoder waits for it: those of a whole video of usual length, in bounded memory.
    /// </summary>
    internal int FramesWaiting => (int)Math.Clamp(MostWaitingBytes / FrameBytes, FewestWaiting, MostWaiting);

    /// <summary>Checks that frames are <c>[T, Height, Width, 3]</c>, uint8.</summary>
    internal void Check(torch.Tensor frames)
    {
        if (frames.dtype != torch.uint8 || frames.dim() != 4 || frames.size(1) != Height || frames.size(2) != Width
            || frames.size(3) != 3)
            throw new ArgumentException($"The frames are {frames.dtype} [{string.Join(", ", frames.shape)}]; expected Byte [T, {Height}, "
                + $"{Width}, 3].", nameof(frames));
    }
}
