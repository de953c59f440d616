namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>
/// Reads from the pixels of a clip what it shows: background, motion, and shape and colour of each object. Knows the world's
/// palettes and outlines, nothing of the scene. Thread-safe.
/// </summary>
/// <remarks>Made for generated clips, too: what is unlike everything of this world is read as null, which is never right.</remarks>
public static class SceneRecognizer
{
    // Of a picture's pixels, what a background must explain, the objects of a scene being the rest; and how near its colours are.
    private const float LeastExplained = 0.5f;
    private const int NearColour = 26;

    /// <summary>Reads a clip.</summary>
    /// <param name="rgb">RGB24, <c>[T, H, W, 3]</c>.</param>
    /// <param name="width">Width in pixels.</param>
    /// <param name="height">Height in pixels.</param>
    /// <param name="frames">Number of frames, at least 9.</param>
    /// <param name="objects">How many objects are expected, 1 or 2.</param>
    /// <exception cref="ArgumentException">The bytes are not a clip of this size.</exception>
    public static SceneReading Read(byte[] rgb, int width, int height, int frames, int objects)
    {
        ArgumentNullException.ThrowIfNull(rgb);
        if (frames < 9 || rgb.Length != (long)frames * height * width * 3)
            throw new ArgumentException($"{rgb.Length} bytes are not {frames} frames of {width}x{height} in RGB24, at least 9 frames.",
                nameof(rgb));
        if (objects is not (1 or 2)) throw new ArgumentException($"{objects} objects were asked for; scenes have 1 or 2.", nameof(objects));
        var clip = new Clip(rgb, width, height, frames);
        var daylight = new Daylight(clip);
        int[] days = [.. Enumerable.Range(0, frames).Where(frame => !daylight.Falls || daylight.IsDay(frame))];
        if (ReadBackground(clip, days) is not { } background)
            return new SceneReading(null, null, [.. Enumerable.Repeat(new ObjectReading(null, null), objects)]);

        var foreground = new Foreground(clip, background);
        var regions = new IReadOnlyList<Region>[frames];
        for (int frame = 0; frame < frames; frame++) regions[frame] = days.Contains(frame) ? foreground.Find(frame) : [];
        IReadOnlyList<ObjectTrack> tracks = ShowsMore(regions, objects) ? [] : ObjectTrack.Follow(regions, objects, height);
        Motion?[] motions = [.. tracks.Select(track => daylight.Falls ? Motion.DayToNight : MotionReader.Read(track, clip, background))];
        Motion? motion = tracks.Count == objects && motions.Distinct().Count() == 1 ? motions[0] : null;
        bool turns = motion is null or Motion.Spin;
        ObjectReading[] read =
            [.. tracks.Select(track => new ObjectReading(ShapeReader.Read(track, width, turns), ColorReader.Read(track, clip)))];
        return new SceneReading(background.Background, motion,
            [.. read, .. Enumerable.Repeat(new ObjectReading(null, null), objects - read.Length)]);
    }

    /// <summary>Compares what was read with what should be seen. Two objects may stand in either order.</summary>
    /// <param name="reading">Read with the scene's number of objects.</param>
    /// <param name="scene">What should be seen.</param>
    public static SceneScore Compare(SceneReading reading, Scene scene)
    {
        ArgumentNullException.ThrowIfNull(reading);
        ArgumentNullException.ThrowIfNull(scene);
        if (reading.Objects.Count != scene.Objects.Count)
            throw new ArgumentException($"{reading.Objects.Count} objects were read; the scene has {scene.Objects.Count}.",
                nameof(reading));
        (bool shape, bool color) = new[] { scene.Objects, [.. scene.Objects.Reverse()] }
            .Select(order => (
                Shape: order.Zip(reading.Objects).All(p => p.First.Shape == p.Second.Shape),
                Color: order.Zip(reading.Objects).All(p => p.First.Color == p.Second.Color)))
            .MaxBy(s => (s.Shape ? 1 : 0) + (s.Color ? 1 : 0));
        return new SceneScore(shape, color, reading.Background == scene.Background, reading.Motion == scene.Motion);
    }

    // More objects than expected, most of the time: then none of them is the one that was asked for.
    private static bool ShowsMore(IReadOnlyList<Region>[] regions, int objects) =>
        2 * regions.Count(r => r.Count > objects && 2 * r[objects].Area > r[objects - 1].Area) > regions.Count(r => r.Count > 0);

    private static BackgroundModel? ReadBackground(Clip clip, int[] days)
    {
        int step = Math.Max(1, days.Length / 6);
        int[] frames = [.. days.Where((_, i) => i % step == 0)];
        var (model, explained) = BackgroundModel.All.Select(m => (m, frames.Average(frame => Explained(clip, frame, m))))
            .MaxBy(m => m.Item2);
        return explained >= LeastExplained ? model : null;
    }

    private static float Explained(Clip clip, int frame, BackgroundModel model)
    {
        ReadOnlySpan<byte> rgb = clip.Frame(frame);
        int near = 0;
        for (int i = 0, y = 0; y < clip.Height; y++)
            for (int x = 0; x < clip.Width; x++, i++)
                if (model.Distance(y, clip.Height, rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]) <= NearColour) near++;
        return (float)near / clip.Pixels;
    }
}
