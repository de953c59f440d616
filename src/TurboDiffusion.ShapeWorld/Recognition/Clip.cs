namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>Frames to be read: RGB24, <c>[T, H, W, 3]</c>.</summary>
internal readonly record struct Clip(byte[] Rgb, int Width, int Height, int Frames)
{
    /// <summary>Pixels of a frame.</summary>
    public int Pixels => Width * Height;

    /// <summary>The pixels of one frame.</summary>
    public ReadOnlySpan<byte> Frame(int frame) => Rgb.AsSpan(frame * Pixels * 3, Pixels * 3);
}
