namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>One object through the clip: its region in each frame, null where it was not found.</summary>
internal sealed class ObjectTrack(int frames)
{
    // An object moves less than this from one frame to the next, in picture heights; further away it is another one.
    private const float LargestStep = 0.35f;

    private readonly Region?[] _regions = new Region?[frames];

    /// <summary>By frame.</summary>
    public IReadOnlyList<Region?> Regions => _regions;

    /// <summary>Those that were found, in order.</summary>
    public IEnumerable<Region> Found => _regions.OfType<Region>();

    /// <summary>Follows the objects: in each frame the largest regions, given to the tracks that were nearest to them before.</summary>
    /// <param name="regions">By frame, the largest first.</param>
    /// <param name="count">How many objects, 1 or 2.</param>
    /// <param name="height">Of the picture.</param>
    /// <returns>The tracks, from left to right where they are best seen; fewer where fewer are ever seen at once.</returns>
    public static IReadOnlyList<ObjectTrack> Follow(IReadOnlyList<IReadOnlyList<Region>> regions, int count, int height)
    {
        count = Math.Min(count, regions.Max(r => r.Count));
        var tracks = new ObjectTrack[count];
        for (int i = 0; i < count; i++) tracks[i] = new ObjectTrack(regions.Count);
        if (count == 0) return tracks;
        // From the frame in which the smallest is largest, to the end and to the beginning.
        int start = Enumerable.Range(0, regions.Count).Where(frame => regions[frame].Count >= count)
            .MaxBy(frame => regions[frame][count - 1].Area);
        Region[] first = [.. regions[start].Take(count).OrderBy(r => r.X)];
        foreach (int direction in (int[])[1, -1])
        {
            Region[] last = [.. first];
            for (int frame = start; frame >= 0 && frame < regions.Count; frame += direction)
                Assign(tracks, last, [.. regions[frame].Take(count)], LargestStep * height);
        }
        return tracks;
    }

    private static void Assign(ObjectTrack[] tracks, Region[] last, Region[] seen, float largestStep)
    {
        if (seen.Length == 0) return;
        if (tracks.Length == 1) Put(0, seen[0]);
        else if (seen.Length == 1) Put(Distance(last[0], seen[0]) <= Distance(last[1], seen[0]) ? 0 : 1, seen[0]);
        else
        {
            bool straight = Distance(last[0], seen[0]) + Distance(last[1], seen[1]) <= Distance(last[0], seen[1])
                + Distance(last[1], seen[0]);
            Put(0, seen[straight ? 0 : 1]);
            Put(1, seen[straight ? 1 : 0]);
        }

        void Put(int track, Region region)
        {
            if (Distance(last[track], region) <= largestStep * Math.Clamp(Math.Abs(region.Frame - last[track].Frame), 1, 2))
                tracks[track]._regions[region.Frame] = last[track] = region;
        }
    }

    private static float Distance(Region a, Region b) => MathF.Sqrt((a.X - b.X) * (a.X - b.X) + (a.Y - b.Y) * (a.Y - b.Y));
}
