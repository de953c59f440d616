namespace TurboDiffusion.ShapeWorld;

/// <summary>What is drawn on an object's body, in a darker tone of its colour.</summary>
public enum Texture
{
    /// <summary>Nothing.</summary>
    Plain,
    /// <summary>Stripes; upright unless the object spins.</summary>
    Striped,
    /// <summary>Round dots.</summary>
    Dotted,
}
