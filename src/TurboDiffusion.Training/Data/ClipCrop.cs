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

    /// <summary>Draws where to cut a clip, every place as likely as the others.</summary>
    /// <param name="shape"><c>[3, T, H, W]</c>.</param>
    /// <param name="random">The source of the draw.</param>
    public (long Frame, long Row, long Column) Place(ReadOnlySpan<long> shape, IRandomSource random) =>
        (Start(shape[1], Frames, random), Start(shape[2], Height, random), Start(shape[3], Width, random));

    /// <summary>Draws where to cut a clip so that a pixel is in it.</summary>
    /// <param name="shape"><c>[3, T, H, W]</c>.</param>
    /// <param name="pixel">The pixel of the middle frame that is to be in it, by the first frame.</param>
    /// <param name="random">The source of the draw.</param>
    public (long Frame, long Row, long Column) PlaceAround(ReadOnlySpan<long> shape, Func<long, (long Row, long Column)> pixel,
        IRandomSource random)
    {
        long frame = Start(shape[1], Frames, random);
        (long row, long column) = pixel(frame + Frames / 2);
        return (frame, Around(row, shape[2], Height, random), Around(column, shape[3], Width, random));

        static long Around(long pixel, long length, int part, IRandomSource random)
        {
            long first = Math.Clamp(pixel - part + 1, 0, length - part), last = Math.Clamp(pixel, first, length - part);
            return first + RandomIndices.Draw(random, 1, last - first + 1)[0];
        }
    }

    /// <summary>Cuts one clip.</summary>
    /// <param name="video"><c>[3, T, H, W]</c>: bytes, or floats in [−1, 1].</param>
    /// <param name="place">Where.</param>
    /// <returns>Float32 in [−1, 1].</returns>
    public Tensor Cut(Tensor video, (long Frame, long Row, long Column) place)
    {
        using var scope = NewDisposeScope();
        Tensor clip = video.narrow(1, place.Frame, Frames).narrow(2, place.Row, Height).narrow(3, place.Column, Width);
        Tensor floats = clip.dtype == ScalarType.Byte ? VideoFrames.ToModelInput(clip) : clip.to(ScalarType.Float32, copy: true);
        return floats.MoveToOuterDisposeScope();
    }

    private static long Start(long length, int part, IRandomSource random) => RandomIndices.Draw(random, 1, length - part + 1)[0];
}
