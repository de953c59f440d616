using System.Numerics;

namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>A filled outline on a square grid, moved to its centre of area and scaled to one area: what remains is the form.</summary>
internal readonly struct Outline
{
    // The grid spans this many times the square root of the area.
    private const float Span = 2.4f;
    private const int Size = 48, Words = Size * Size / 64;

    private readonly ulong[] _bits;

    private Outline(ulong[] bits) => _bits = bits;

    /// <summary>Of a set of pixels, turned about its centre.</summary>
    /// <param name="pixels">Indices y·width + x.</param>
    /// <param name="width">Of the picture.</param>
    /// <param name="angle">In radians, clockwise.</param>
    public static Outline Of(int[] pixels, int width, float angle = 0)
    {
        int left = pixels.Min(i => i % width) - 1, top = pixels.Min(i => i / width) - 1;
        int columns = pixels.Max(i => i % width) - left + 2, rows = pixels.Max(i => i / width) - top + 2;
        var inside = new bool[columns * rows];
        double x = 0, y = 0;
        foreach (int i in pixels)
        {
            inside[(i / width - top) * columns + i % width - left] = true;
            x += i % width - left;
            y += i / width - top;
        }
        float centreX = (float)(x / pixels.Length), centreY = (float)(y / pixels.Length), cell = Span * MathF.Sqrt(pixels.Length) / Size;
        (float sin, float cos) = MathF.SinCos(angle);
        var bits = new ulong[Words];
        for (int row = 0; row < Size; row++)
            for (int column = 0; column < Size; column++)
            {
                float u = (column + 0.5f - Size / 2f) * cell, v = (row + 0.5f - Size / 2f) * cell;
                if (Inside(centreX + cos * u + sin * v, centreY - sin * u + cos * v))
                    bits[(row * Size + column) / 64] |= 1UL << (row * Size + column) % 64;
            }
        return new Outline(bits);

        // Between pixels, the border runs where the four around come to a half.
        bool Inside(float px, float py)
        {
            int x0 = (int)MathF.Floor(px), y0 = (int)MathF.Floor(py);
            if (x0 < 0 || y0 < 0 || x0 + 1 >= columns || y0 + 1 >= rows) return false;
            float fx = px - x0, fy = py - y0;
            float above = (inside[y0 * columns + x0] ? 1 - fx : 0) + (inside[y0 * columns + x0 + 1] ? fx : 0);
            float below = (inside[(y0 + 1) * columns + x0] ? 1 - fx : 0) + (inside[(y0 + 1) * columns + x0 + 1] ? fx : 0);
            return above * (1 - fy) + below * fy >= 0.5f;
        }
    }

    /// <summary>The common part of the two as a share of what either covers.</summary>
    public float Overlap(Outline other)
    {
        int both = 0, either = 0;
        for (int i = 0; i < Words; i++)
        {
            both += BitOperations.PopCount(_bits[i] & other._bits[i]);
            either += BitOperations.PopCount(_bits[i] | other._bits[i]);
        }
        return either == 0 ? 0 : (float)both / either;
    }
}
