using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>Videos in memory, of which random crops and stretches are drawn.</summary>
public sealed class MemoryClips : IClipData
{
    private readonly Tensor _videos;
    private readonly ClipCrop _crop;

    /// <summary>Creates the set.</summary>
    /// <param name="videos"><c>[N, 3, T, H, W]</c>: bytes, or floats in [−1, 1]; not owned.</param>
    /// <param name="frames">Frames to draw, 1 + 4n and at most T.</param>
    /// <param name="height">Rows to draw, at most H.</param>
    /// <param name="width">Columns to draw, at most W.</param>
    /// <exception cref="InvalidRequestException">The crop is larger than the videos.</exception>
    public MemoryClips(Tensor videos, int frames, int height, int width)
    {
        _crop = new ClipCrop(frames, height, width);
        _crop.Check(videos.shape.AsSpan(1), "videos");
        _videos = videos;
    }

    /// <inheritdoc/>
    public ClipBatch Draw(int count, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        return new ClipBatch(stack([.. RandomIndices.Draw(random, count, _videos.size(0))
            .Select(i => _crop.Cut(_videos[i], _crop.Place(_videos.shape.AsSpan(1), random)))]).MoveToOuterDisposeScope());
    }
}
