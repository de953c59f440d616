namespace TurboDiffusion.ShapeWorld;

/// <summary>What happens during the clip. Two objects share it.</summary>
public enum Motion
{
    /// <summary>Slides from left to right.</summary>
    Right,
    /// <summary>Slides from right to left.</summary>
    Left,
    /// <summary>Rises.</summary>
    Up,
    /// <summary>Falls.</summary>
    Down,
    /// <summary>Crosses the picture in two hops, to the left or to the right.</summary>
    Bounce,
    /// <summary>Goes once round a circle, either way; two objects go round each other.</summary>
    Orbit,
    /// <summary>Turns around its own centre, either way.</summary>
    Spin,
    /// <summary>Grows to its size.</summary>
    Grow,
    /// <summary>Shrinks from its size.</summary>
    Shrink,
    /// <summary>Comes into view while it stays in its place.</summary>
    FadeIn,
    /// <summary>Stays in its place while the background turns from day to night. Not with
    /// <see cref="Background.StarryNight"/>.</summary>
    DayToNight,
}
