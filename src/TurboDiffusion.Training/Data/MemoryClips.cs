using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>Videos in memory, of which random crops and stretches are drawn.</summary>
public sealed class MemoryClips : IClipData
{
    private readonly Tensor _videos;
    private readonly int _frames, _height, _width;

    /// <summary>Creates the set.</summary>
    /// <param name="videos"><c>[N, 3, T, H, W]</c>: bytes, or floats in [−1, 1]; not owned.</param>
    /// <param name="frames">Frames to draw, 1 + 4n and at most T.</param>
    /// <param name="height">Rows to draw, at most H.</param>
    /// <param name="width">Columns to draw, at most W.</param>
    /// <exception cref="InvalidRequestException">The crop is larger than the videos.</exception>
    public MemoryClips(Tensor videos, int frames, int height, int width)
    {
        long[] s = videos.shape;
        if (s.Length != 5 || s[1] != 3 || frames < 1 || height < 1 || width < 1 || frames > s[2] || height > s[3] || width > s[4])
            throw new InvalidRequestException("data", $"Clips of {frames} frames of {width}×{height} cannot be cut from videos of shape [{string.Join(", ", s)}]; these are [N, 3, T, H, W].");
        (_videos, _frames, _height, _width) = (videos, frames, height, width);
    }

    /// <inheritdoc/>
    public Tensor Draw(int count, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        long[] s = _videos.shape;
        long[] video = RandomIndices.Draw(random, count, s[0]), frame = RandomIndices.Draw(random, count, s[2] - _frames + 1);
        long[] row = RandomIndices.Draw(random, count, s[3] - _height + 1), column = RandomIndices.Draw(random, count, s[4] - _width + 1);
        Tensor clips = stack([.. Enumerable.Range(0, count).Select(i =>
            _videos[video[i]].narrow(1, frame[i], _frames).narrow(2, row[i], _height).narrow(3, column[i], _width))]);
        Tensor floats = clips.dtype == ScalarType.Byte ? clips.to_type(ScalarType.Float32) / 127.5 - 1 : clips.to_type(ScalarType.Float32);
        return floats.MoveToOuterDisposeScope();
    }
}
