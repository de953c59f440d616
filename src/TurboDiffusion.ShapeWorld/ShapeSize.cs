namespace TurboDiffusion.ShapeWorld;

/// <summary>How large an object is: its diameter as a part of the picture's height.</summary>
public enum ShapeSize
{
    /// <summary>28%.</summary>
    Small,
    /// <summary>38%.</summary>
    Medium,
    /// <summary>50%.</summary>
    Large,
}
