using System.Globalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Sampling;
using TurboDiffusion.ShapeWorld;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>
/// Clips of the shape world, rendered once and held on the device of training. Random stretches are drawn, and random crops that an
/// object is in. The world knows where the objects are.
/// </summary>
public sealed class WorldClips : IClipData, IDisposable
{
    private const int MaxObjects = 2;

    private readonly WorldOptions _world;
    private readonly Tensor _videos;
    private readonly ClipCrop _crop;

    private WorldClips(WorldOptions world, Tensor videos, int frames, int height, int width)
    {
        _crop = new ClipCrop(frames, height, width);
        _crop.Check(videos.shape.AsSpan(1), "the shape world");
        (_world, _videos) = (world, videos);
    }

    /// <summary>Renders clips, one per core at a time.</summary>
    /// <param name="world">How many, and their size.</param>
    /// <param name="frames">Frames to draw, 1 + 4n.</param>
    /// <param name="height">Rows to draw.</param>
    /// <param name="width">Columns to draw.</param>
    /// <param name="device">Where they are held.</param>
    /// <param name="cancellationToken">Checked before each clip.</param>
    /// <exception cref="InvalidRequestException">A number is out of range, or the clips do not fit into memory.</exception>
    public static WorldClips Render(WorldOptions world, int frames, int height, int width, Device device,
        CancellationToken cancellationToken = default)
    {
        world.Check();
        CheckMemory(world, device);
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
            return new WorldClips(world, videos, frames, height, width);
        }
        catch
        {
            videos.Dispose();
            throw;
        }
    }

    // What is asked for may be more than a number of bytes can say.
    private static void CheckMemory(WorldOptions world, Device device)
    {
        double bytes = 3.0 * world.Clips * world.Frames * world.Height * world.Width;
        long available = DeviceMemory.Available(device);
        if (bytes > available)
            throw new InvalidRequestException("world", string.Create(CultureInfo.InvariantCulture,
                $"{world.Clips} clips of {world.Frames} frames of {world.Width}x{world.Height} take {bytes / 1e9:0.0} GB, and "
                    + $"{available / 1e9:0.0} GB are free on {device}; render fewer or smaller ones."));
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
    public ClipBatch Draw(int count, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        var videos = new List<Tensor>();
        var discs = new List<float>();
        foreach (long clip in RandomIndices.Draw(random, count, _videos.size(0)))
        {
            Scene scene = Scene(_world, (int)clip);
            int shown = (int)RandomIndices.Draw(random, 1, scene.Objects.Count)[0];
            var place = _crop.PlaceAround(_videos.shape.AsSpan(1), frame => Centre(Pose(scene, shown, (int)frame)), random);
            videos.Add(_crop.Cut(_videos[clip], place));
            for (int frame = 0; frame < _crop.Frames; frame++)
                for (int i = 0; i < MaxObjects; i++)
                {
                    ObjectPose? pose = i < scene.Objects.Count ? Pose(scene, i, (int)place.Frame + frame) : null;
                    // What is antialiased reaches a pixel further.
                    discs.AddRange(pose is { } p ? [p.X - place.Column, p.Y - place.Row, Motions.Reach * p.Radius + 1] : [0, 0, 0]);
                }
        }
        Tensor objects = Discs(tensor(discs.ToArray()).view(count, _crop.Frames, MaxObjects, 3).to(_videos.device));
        return new ClipBatch(stack(videos).MoveToOuterDisposeScope(), objects.MoveToOuterDisposeScope());
    }

    private ObjectPose Pose(Scene scene, int index, int frame) =>
        Motions.Pose(scene, index, frame, _world.Frames, _world.Width, _world.Height);

    private (long Row, long Column) Centre(ObjectPose pose) =>
        (Math.Clamp((long)pose.Y, 0, _world.Height - 1), Math.Clamp((long)pose.X, 0, _world.Width - 1));

    // Column, row and radius of discs, [B, T, objects, 3], to a picture of them, [B, 1, T, H, W].
    private Tensor Discs(Tensor discs)
    {
        using var scope = NewDisposeScope();
        Tensor Part(int i) => discs.select(3, i).unsqueeze(-1).unsqueeze(-1);
        Tensor columns = arange(_crop.Width, ScalarType.Float32, discs.device) + 0.5,
            rows = (arange(_crop.Height, ScalarType.Float32, discs.device) + 0.5).unsqueeze(1);
        Tensor within = ((columns - Part(0)).square() + (rows - Part(1)).square()).lt(Part(2).square());
        return within.any(2).unsqueeze(1).to_type(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose() => _videos.Dispose();
}
