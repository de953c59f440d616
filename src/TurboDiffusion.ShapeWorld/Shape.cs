namespace TurboDiffusion.ShapeWorld;

/// <summary>What an object is.</summary>
public enum Shape
{
    /// <summary>A disc.</summary>
    Circle,
    /// <summary>A square, standing on a side.</summary>
    Square,
    /// <summary>An equilateral triangle, pointing up.</summary>
    Triangle,
    /// <summary>A star of five points, one of them up.</summary>
    Star,
    /// <summary>A heart, upright.</summary>
    Heart,
    /// <summary>A plus sign with thick arms of one length.</summary>
    Cross,
}
