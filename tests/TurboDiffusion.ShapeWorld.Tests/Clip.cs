namespace TurboDiffusion.ShapeWorld.Tests;

/// <summary>A rendered clip, and what can be seen of its objects by comparing it with the empty background.</summary>
internal sealed class Clip
{
    public const int Width = 192, Height = 112, Frames = 33;

    private readonly Scene _scene;
    private readonly int _width, _height, _frames;
    private readonly byte[] _pixels, _empty;

    public Clip(Scene scene, int width = Width, int height = Height, int frames = Frames)
    {
        (_scene, _width, _height, _frames) = (scene, width, height, frames);
        _pixels = SceneRenderer.Render(scene, width, height, frames);
        // The first frame of a clip that fades in shows nothing but the background.
        _empty = SceneRenderer.Render(scene with { Motion = Motion.FadeIn }, width, height, 1);
    }

    public (byte R, byte G, byte B) Pixel(int frame, float x, float y)
    {
        int i = ((frame * _height + (int)y) * _width + (int)x) * 3;
        return (_pixels[i], _pixels[i + 1], _pixels[i + 2]);
    }

    public ObjectPose Pose(int frame, int objectIndex = 0) => Motions.Pose(_scene, objectIndex, frame, _frames, _width, _height);

    /// <summary>The pixels that differ clearly from the background, as (count, centre).</summary>
    public (int Area, float X, float Y) Seen(int frame)
    {
        int area = 0;
        float x = 0, y = 0;
        foreach (var (px, py) in Changed(frame, threshold: 40)) (area, x, y) = (area + 1, x + px, y + py);
        return (area, x / area, y / area);
    }

    /// <summary>The pixels that differ from the background by more than the threshold in a channel.</summary>
    public IEnumerable<(int X, int Y)> Changed(int frame, int threshold)
    {
        for (int y = 0; y < _height; y++)
            for (int x = 0; x < _width; x++)
                for (int c = 0, i = (y * _width + x) * 3; c < 3; c++)
                    if (Math.Abs(_pixels[frame * _empty.Length + i + c] - _empty[i + c]) > threshold)
                    {
                        yield return (x, y);
                        break;
                    }
    }
}
