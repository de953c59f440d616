namespace TurboDiffusion.ShapeWorld;

/// <summary>Where the objects are. Each background has colours of its own and stands still.</summary>
public enum Background
{
    /// <summary>A dark blue sky with stars above dark hills.</summary>
    StarryNight,
    /// <summary>A light blue sky with clouds.</summary>
    BlueSky,
    /// <summary>Green hills under a pale sky.</summary>
    Meadow,
    /// <summary>Sand dunes.</summary>
    Desert,
    /// <summary>A teal sea with waves.</summary>
    Ocean,
    /// <summary>Rows of misty, lavender mountains.</summary>
    Mountains,
    /// <summary>A grey photographer's studio.</summary>
    Studio,
}
