namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>Connected pixels of one frame that are not background.</summary>
/// <param name="Frame">The frame.</param>
/// <param name="X">The centre of area, from the left, in pixels.</param>
/// <param name="Y">The centre of area, from the top, in pixels.</param>
/// <param name="Pixels">Indices y·W + x.</param>
internal sealed record Region(int Frame, float X, float Y, int[] Pixels)
{
    /// <summary>In pixels.</summary>
    public int Area => Pixels.Length;

    /// <summary>From its pixels.</summary>
    public static Region Of(int frame, int[] pixels, int width) =>
        new(frame, (float)pixels.Average(i => i % width), (float)pixels.Average(i => i / width), pixels);
}
