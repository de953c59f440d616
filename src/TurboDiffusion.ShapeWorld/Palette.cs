namespace TurboDiffusion.ShapeWorld;

/// <summary>The colours of the objects' bodies.</summary>
public static class Palette
{
    /// <summary>The body's colour, sRGB. Light and shade, outline and texture move pixels of the body towards its darker and
    /// lighter tones; plain bodies have this very colour around the centre.</summary>
    /// <param name="color">A colour's name.</param>
    public static (byte R, byte G, byte B) Of(ShapeColor color) => color switch
    {
        ShapeColor.Red => (224, 32, 36),
        ShapeColor.Orange => (255, 132, 10),
        ShapeColor.Yellow => (255, 226, 32),
        ShapeColor.Green => (16, 152, 60),
        ShapeColor.Blue => (32, 84, 230),
        ShapeColor.Purple => (134, 44, 194),
        ShapeColor.Pink => (255, 112, 184),
        ShapeColor.White => (250, 250, 250),
        _ => throw new ArgumentOutOfRangeException(nameof(color), color, "No such colour."),
    };
}
