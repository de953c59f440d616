namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>
/// How bright a clip's surroundings are in each frame, compared with the first: from the medians of all pixels, which no object of a scene
/// moves.
/// </summary>
internal sealed class Daylight
{
    // Darker pixels do not tell a ratio; every third pixel is enough.
    private const int DarkestLevel = 40, Step = 3;

    // Nightfall leaves a fifth of red, a quarter of green and half of blue.
    private const float Night = 0.55f, Day = 0.94f;

    private readonly float[] _brightness;

    /// <summary>Measures it.</summary>
    public Daylight(Clip clip)
    {
        _brightness = new float[clip.Frames];
        var ratios = new List<float>(clip.Pixels / Step + 1);
        ReadOnlySpan<byte> first = clip.Frame(0);
        for (int frame = 0; frame < clip.Frames; frame++)
        {
            ratios.Clear();
            ReadOnlySpan<byte> now = clip.Frame(frame);
            for (int i = 0; i < first.Length; i += 3 * Step)
            {
                int before = first[i] + first[i + 1];
                if (before >= 2 * DarkestLevel) ratios.Add((float)(now[i] + now[i + 1]) / before);
            }
            ratios.Sort();
            // Where most is dark from the start, no night can fall.
            _brightness[frame] = 2 * ratios.Count * Step < clip.Pixels ? 1 : ratios[ratios.Count / 2];
        }
    }

    /// <summary>Whether night falls: the surroundings are much darker at the end, and never brighten on the way.</summary>
    public bool Falls => _brightness[^1] < Night && _brightness.Zip(_brightness.Skip(1)).All(p => p.Second < p.First + 0.1f);

    /// <summary>Whether a frame is about as bright as the first one.</summary>
    public bool IsDay(int frame) => _brightness[frame] > Day;
}
