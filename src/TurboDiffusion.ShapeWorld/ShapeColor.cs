namespace TurboDiffusion.ShapeWorld;

/// <summary>The colour of an object's body; <see cref="Palette"/> has the values.</summary>
public enum ShapeColor
{
    /// <summary>Red.</summary>
    Red,
    /// <summary>Orange.</summary>
    Orange,
    /// <summary>Yellow.</summary>
    Yellow,
    /// <summary>Green.</summary>
    Green,
    /// <summary>Blue.</summary>
    Blue,
    /// <summary>Purple.</summary>
    Purple,
    /// <summary>Pink.</summary>
    Pink,
    /// <summary>White.</summary>
    White,
}
