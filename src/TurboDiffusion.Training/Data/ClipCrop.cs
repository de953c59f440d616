using TurboDiffusion.Generation.Media;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>Random crops of videos.</summary>
/// <param name="Frames">Frames to cut, in a row.</param>
/// <param name="Height">Rows to cut.</param>
/// <param name="Width">Columns to cut.</param>
internal sealed record ClipCrop(int Frames, int Height, int Width)
{
    /// <summary>Checks that the crop can be cut.</summary>
    /// <param name="shape"><c>[3, T, H, W]</c>.</param>
    /// <param name="source">What the videos are called in the message.</param>
    public void Check(ReadOnlySpan<long> shape, string source)
    {
        if (shape.Length != 4 || shape[0] != 3 || Frames < 1 || Height < 1 || Width < 1 || Frames > shape[1] || Height > shape[2]
            || Width > shape[3])
            throw new InvalidRequestException("data",
                $"Clips of {Frames} frames of {Width}×{Height} cannot be cut from {source} of shape "
                    + $"[{string.Join(", ", shape.ToArray())}], which is [3, T, H, W].");
    }

    /// <summary>Cuts one clip.</summary>
    /// <param name="video"><c>[3, T, H, W]</c>: bytes, or floats in [−1, 1].</param>
    /// <param name="random">The source of the draw.</param>
    /// <returns>Float32 in [−1, 1].</returns>
    public Tensor Cut(Tensor video, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        long Start(long length, int part) => RandomIndices.Draw(random, 1, length - part + 1)[0];
        long[] s = video.shape;
        Tensor clip = video.narrow(1, Start(s[1], Frames), Frames).narrow(2, Start(s[2], Height), Height).narrow(3,
            Start(s[3], Width), Width);
        Tensor floats = clip.dtype == ScalarType.Byte ? VideoFrames.ToModelInput(clip) : clip.to(ScalarType.Float32, copy: true);
        return floats.MoveToOuterDisposeScope();
    }
}
