using TorchSharp;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>
/// What a resolution level of the Wan 2.2 VAE adds to its output: its own input, averaged or repeated to the output's size.
/// </summary>
/// <remarks>Wan-Video/Wan2.2, 42bf4cf, <c>wan/modules/vae2_2.py</c>, <c>AvgDown3D</c> and <c>DupUp3D</c>.</remarks>
internal static class LevelShortcut
{
    /// <summary>Space and time into channels (channel, frame, row, column), then the mean of each group of them.</summary>
    /// <param name="x"><c>[B, C, T, H, W]</c>; zeros fill up the frames before the first.</param>
    /// <param name="channels">Channels of the result; a divisor of C·frames·size².</param>
    /// <param name="frames">Frames that become one.</param>
    /// <param name="size">Rows, and columns, that become one.</param>
    public static Tensor Average(Tensor x, long channels, long frames, long size)
    {
        using var scope = NewDisposeScope();
        Tensor padded = nn.functional.pad(x, [0, 0, 0, 0, (frames - x.size(2) % frames) % frames, 0]);
        (long b, long c, long t, long h, long w) = (x.size(0), x.size(1), padded.size(2) / frames, x.size(3) / size, x.size(4) / size);
        return padded.reshape(b, c, t, frames, h, size, w, size).permute(0, 1, 3, 5, 7, 2, 4, 6)
            .reshape(b, channels, c * frames * size * size / channels, t, h, w).mean([2]).MoveToOuterDisposeScope();
    }

    /// <summary>Each channel repeated, and groups of channels (frame, row, column) spread over time and space.</summary>
    /// <param name="x"><c>[B, C, T, H, W]</c></param>
    /// <param name="channels">Channels of the result; C divides channels·frames·size².</param>
    /// <param name="frames">Frames that one becomes.</param>
    /// <param name="size">Rows, and columns, that one becomes.</param>
    /// <param name="first">Whether the chunk begins the clip, whose first frame stands alone.</param>
    public static Tensor Repeat(Tensor x, long channels, long frames, long size, bool first)
    {
        using var scope = NewDisposeScope();
        (long b, long c, long t, long h, long w) = (x.size(0), x.size(1), x.size(2), x.size(3), x.size(4));
        Tensor spread = x.repeat_interleave(channels * frames * size * size / c, 1).reshape(b, channels, frames, size, size, t, h, w)
            .permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(b, channels, t * frames, h * size, w * size);
        return (first ? spread.narrow(2, frames - 1, t * frames - frames + 1) : spread).MoveToOuterDisposeScope();
    }
}
