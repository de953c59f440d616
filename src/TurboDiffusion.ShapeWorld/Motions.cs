namespace TurboDiffusion.ShapeWorld;

/// <summary>Where the objects are in each frame: the ground truth behind the pixels.</summary>
public static class Motions
{
    /// <summary>No part of an object is further from its centre than this many radii.</summary>
    public const float Reach = 1.31f;

    // The scale that Grow begins and Shrink ends with.
    private const float SmallestScale = 0.35f;

    /// <summary>An object's place, size, angle and opacity in one frame.</summary>
    /// <param name="scene">The scene.</param>
    /// <param name="objectIndex">Index into <see cref="Scene.Objects"/>.</param>
    /// <param name="frame">0 … <paramref name="frames"/> − 1.</param>
    /// <param name="frames">The length of the clip.</param>
    /// <param name="width">The picture's width in pixels.</param>
    /// <param name="height">The picture's height in pixels.</param>
    public static ObjectPose Pose(Scene scene, int objectIndex, int frame, int frames, int width, int height)
    {
        // Lengths are parts of the height; where the picture is narrower than 12:7, of 7/12 of the width.
        float unit = Math.Min(height, width * 7f / 12f);
        float w = width / unit, h = height / unit;
        float t = Progress(frame, frames);
        bool two = scene.Objects.Count == 2;
        float radius = Radius(scene.Objects[objectIndex].Size);
        // Both objects keep the distances that the larger one needs.
        float reach = Reach * scene.Objects.Max(o => Radius(o.Size));
        var random = SceneRandom.For(scene.Seed, 1);
        float a = random.Next(-1f, 1f), b = random.Next(-1f, 1f), turn = random.Chance(0.5f) ? 1 : -1;
        float side = two ? objectIndex * 2 - 1 : 0;

        float x = w / 2 + (two ? side * w / 4 + a * Math.Min(0.05f, w / 4 - reach) : a * Math.Min(0.25f, w / 2 - reach));
        float y = h / 2 + b * Math.Min(0.08f, h / 2 - reach);
        float scale = 1, angle = 0, opacity = 1;
        switch (scene.Motion)
        {
            case Motion.Right or Motion.Left:
                float from = reach + (a + 1) * 0.03f, across = scene.Motion == Motion.Right ? t : 1 - t;
                x = from + (w - reach - (b + 1) * 0.03f - from) * across;
                y = two ? h / 2 + side * h / 4 : h / 2 + b * Math.Min(0.15f, h / 2 - reach);
                break;
            case Motion.Up or Motion.Down:
                y = reach + (h - 2 * reach) * (scene.Motion == Motion.Down ? t : 1 - t);
                break;
            case Motion.Bounce:
                // Two follow each other at the distance of their sizes.
                float left = reach + (two && objectIndex == 1 ? 2 * reach : 0);
                float way = w - 2 * reach - (two ? 2 * reach : 0);
                x = left + way * (turn > 0 ? t : 1 - t);
                float hop = t * 2 % 1 * 2 - 1;
                y = h - reach - (h - 2 * reach) * (1 - hop * hop);
                break;
            case Motion.Orbit:
                float ring = Math.Min(0.27f, h / 2 - reach);
                float direction = turn * MathF.Tau * t + a * MathF.PI + (side > 0 ? MathF.PI : 0);
                x = w / 2 + (two ? 0 : b * 0.15f) + ring * MathF.Cos(direction);
                y = h / 2 + ring * MathF.Sin(direction);
                break;
            case Motion.Spin:
                angle = turn * MathF.Tau * t;
                break;
            case Motion.Grow:
                scale = SmallestScale + (1 - SmallestScale) * t;
                break;
            case Motion.Shrink:
                scale = 1 - (1 - SmallestScale) * t;
                break;
            case Motion.FadeIn:
                opacity = Math.Min(1, t / 0.75f);
                break;
        }
        return new ObjectPose(x * unit, y * unit, radius * scale * unit, angle, opacity);
    }

    /// <summary>How far night has fallen on the background: 0 day, 1 night.</summary>
    /// <param name="scene">The scene.</param>
    /// <param name="frame">0 … <paramref name="frames"/> − 1.</param>
    /// <param name="frames">The length of the clip.</param>
    public static float Night(Scene scene, int frame, int frames)
    {
        if (scene.Motion != Motion.DayToNight) return 0;
        float t = Math.Clamp((Progress(frame, frames) - 0.1f) / 0.8f, 0, 1);
        return t * t * (3 - 2 * t);
    }

    private static float Radius(ShapeSize size) => size switch
    {
        ShapeSize.Small => 0.14f,
        ShapeSize.Medium => 0.19f,
        _ => 0.25f,
    };

    private static float Progress(int frame, int frames) => frames == 1 ? 0 : (float)frame / (frames - 1);
}
