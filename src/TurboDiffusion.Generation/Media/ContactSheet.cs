using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Media;

/// <summary>Clips as one picture: a row for each, with frames of it side by side. Needs no ffmpeg.</summary>
public static class ContactSheet
{
    private const int Gap = 2;

    /// <summary>Writes a PNG file, whole or not at all.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="clips">Clips of one size, each <c>[T, H, W, 3]</c>, uint8.</param>
    /// <param name="frames">Frames shown of each, from the first to the last at even distances; all where a clip has no more.</param>
    /// <exception cref="EnvironmentException">The file cannot be written.</exception>
    public static void Write(string path, IReadOnlyList<torch.Tensor> clips, int frames = 6)
    {
        ArgumentOutOfRangeException.ThrowIfZero(clips.Count);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(frames);
        using var scope = torch.NewDisposeScope();
        (long height, long width) = (clips[0].shape[1], clips[0].shape[2]);
        int columns = (int)Math.Min(frames, clips.Max(c => c.shape[0]));
        torch.Tensor sheet = torch.full([clips.Count * (height + Gap) - Gap, columns * (width + Gap) - Gap, 3], 255, torch.uint8);
        for (int row = 0; row < clips.Count; row++)
        {
            long[] s = clips[row].shape;
            if (clips[row].dtype != torch.uint8 || s.Length != 4 || s[0] < 1 || s[1] != height || s[2] != width || s[3] != 3)
                throw new ArgumentException(
                    $"Clip {row} is {clips[row].dtype} [{string.Join(", ", s)}]; expected Byte [T, {height}, {width}, 3].", nameof(clips));
            int shown = (int)Math.Min(frames, s[0]);
            for (int column = 0; column < shown; column++)
            {
                long frame = shown == 1 ? 0 : column * (s[0] - 1) / (shown - 1);
                sheet.narrow(0, row * (height + Gap), height).narrow(1, column * (width + Gap), width).copy_(clips[row][frame]);
            }
        }
        PngFile.Write(path, sheet);
    }
}
