namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>Finds the objects of a frame: regions whose outline is not of the background's colours, with all that they enclose.</summary>
internal sealed class Foreground(Clip clip, BackgroundModel background)
{
    // Of the colour of a pixel to the nearest of the background.
    private const int FarColour = 34;

    // The smallest object of a scene covers 0.6% of a picture of 12:7; noise and stars less.
    private const float SmallestArea = 0.0028f;

    private readonly bool[] _mask = new bool[clip.Pixels], _other = new bool[clip.Pixels], _open = new bool[clip.Pixels];
    private readonly int[] _queue = new int[clip.Pixels];

    /// <summary>The regions of a frame, the largest first.</summary>
    public List<Region> Find(int frame)
    {
        Threshold(frame);
        Grow(_mask, _other);
        FillHoles(_other);
        Shrink(_other, _mask);
        // Opening removes lines and specks.
        Shrink(_mask, _other);
        Grow(_other, _mask);
        return Components(frame);
    }

    private void Threshold(int frame)
    {
        ReadOnlySpan<byte> rgb = clip.Frame(frame);
        for (int i = 0, y = 0; y < clip.Height; y++)
            for (int x = 0; x < clip.Width; x++, i++)
                _mask[i] = background.Distance(y, clip.Height, rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]) > FarColour;
    }

    private void Grow(bool[] from, bool[] to)
    {
        for (int i = 0, y = 0; y < clip.Height; y++)
            for (int x = 0; x < clip.Width; x++, i++)
                to[i] = from[i] || x > 0 && from[i - 1] || x < clip.Width - 1 && from[i + 1]
                    || y > 0 && from[i - clip.Width] || y < clip.Height - 1 && from[i + clip.Width];
    }

    private void Shrink(bool[] from, bool[] to)
    {
        for (int i = 0, y = 0; y < clip.Height; y++)
            for (int x = 0; x < clip.Width; x++, i++)
                to[i] = from[i] && (x == 0 || from[i - 1]) && (x == clip.Width - 1 || from[i + 1])
                    && (y == 0 || from[i - clip.Width]) && (y == clip.Height - 1 || from[i + clip.Width]);
    }

    // What the border of the picture cannot reach.
    private void FillHoles(bool[] mask)
    {
        for (int i = 0; i < mask.Length; i++) _open[i] = !mask[i];
        int count = 0;
        for (int x = 0; x < clip.Width; x++)
        {
            Visit(x, ref count);
            Visit((clip.Height - 1) * clip.Width + x, ref count);
        }
        for (int y = 0; y < clip.Height; y++)
        {
            Visit(y * clip.Width, ref count);
            Visit((y + 1) * clip.Width - 1, ref count);
        }
        Flood(count);
        for (int i = 0; i < mask.Length; i++) mask[i] |= _open[i];
    }

    private List<Region> Components(int frame)
    {
        var regions = new List<Region>();
        _mask.CopyTo(_open, 0);
        for (int start = 0; start < _mask.Length; start++)
        {
            int count = 0;
            Visit(start, ref count);
            count = Flood(count);
            if (count >= SmallestArea * clip.Pixels) regions.Add(Region.Of(frame, _queue[..count], clip.Width));
        }
        regions.Sort((a, b) => b.Area.CompareTo(a.Area));
        return regions;
    }

    // Visits all that can be reached through open pixels from those in the queue; returns how many that are.
    private int Flood(int count)
    {
        for (int at = 0; at < count; at++)
        {
            int i = _queue[at], x = i % clip.Width;
            if (x > 0) Visit(i - 1, ref count);
            if (x < clip.Width - 1) Visit(i + 1, ref count);
            if (i >= clip.Width) Visit(i - clip.Width, ref count);
            if (i + clip.Width < clip.Pixels) Visit(i + clip.Width, ref count);
        }
        return count;
    }

    private void Visit(int i, ref int count)
    {
        if (!_open[i]) return;
        _open[i] = false;
        _queue[count++] = i;
    }
}
