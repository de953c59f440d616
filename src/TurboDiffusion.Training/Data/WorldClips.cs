using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.ShapeWorld;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>Clips of the shape world, rendered once and held on the device of training; random crops and stretches are drawn.</summary>
public sealed class WorldClips : IClipData, IDisposable
{
    private readonly Tensor _videos;
    private readonly MemoryClips _clips;

    private WorldClips(Tensor videos, int frames, int height, int width)
    {
        _videos = videos;
        _clips = new MemoryClips(videos, frames, height, width);
    }

    /// <summary>Renders clips, one per core at a time.</summary>
    /// <param name="world">How many, and their size.</param>
    /// <param name="frames">Frames to draw, 1 + 4n.</param>
    /// <param name="height">Rows to draw.</param>
    /// <param name="width">Columns to draw.</param>
    /// <param name="device">Where they are held.</param>
    /// <param name="cancellationToken">Checked before each clip.</param>
    public static WorldClips Render(WorldOptions world, int frames, int height, int width, Device device,
        CancellationToken cancellationToken = default)
    {
        world.Check();
        Tensor videos = empty([world.Clips, 3, world.Frames, world.Height, world.Width], ScalarType.Byte, device).DetachFromDisposeScope();
        try
        {
            const int Chunk = 256;
            for (int first = 0; first < world.Clips; first += Chunk)
            {
                using var scope = NewDisposeScope();
                int count = Math.Min(Chunk, world.Clips - first);
                videos.narrow(0, first, count).copy_(Render(world, first, count, cancellationToken));
            }
            return new WorldClips(videos, frames, height, width);
        }
        catch
        {
            videos.Dispose();
            throw;
        }
    }

    /// <summary>Renders a stretch of a world's clips.</summary>
    /// <param name="world">The size, and the seed of clip 0.</param>
    /// <param name="first">The first clip.</param>
    /// <param name="count">Clips.</param>
    /// <param name="cancellationToken">Checked before each clip.</param>
    /// <returns>Bytes on the CPU, <c>[count, 3, T, H, W]</c>: a view of <c>[count, T, H, W, 3]</c>.</returns>
    internal static unsafe Tensor Render(WorldOptions world, int first, int count, CancellationToken cancellationToken)
    {
        Tensor pixels = empty([count, world.Frames, world.Height, world.Width, 3], ScalarType.Byte);
        var data = (nint)NativeTensor.DataPointer(pixels);
        int length = world.Frames * world.Height * world.Width * 3;
        Parallel.For(0, count, new ParallelOptions { CancellationToken = cancellationToken }, i =>
            SceneRenderer.Render(Scene(world, first + i), world.Width, world.Height, world.Frames)
                .CopyTo(new Span<byte>((byte*)data + (long)i * length, length)));
        return pixels.permute(0, 4, 1, 2, 3);
    }

    /// <summary>The scene of a clip.</summary>
    internal static Scene Scene(WorldOptions world, int clip) => SceneSampler.Training(checked(world.Seed + clip));

    /// <inheritdoc/>
    public Tensor Draw(int count, IRandomSource random) => _clips.Draw(count, random);

    /// <inheritdoc/>
    public void Dispose() => _videos.Dispose();
}
