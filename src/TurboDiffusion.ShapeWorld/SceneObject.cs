namespace TurboDiffusion.ShapeWorld;

/// <summary>One object of a scene.</summary>
/// <param name="Shape">What it is.</param>
/// <param name="Color">The colour of its body.</param>
/// <param name="Size">Its diameter: the last one with <see cref="Motion.Grow"/>, the first with
/// <see cref="Motion.Shrink"/>.</param>
/// <param name="Texture">What is drawn on its body.</param>
public sealed record SceneObject(
    Shape Shape, ShapeColor Color, ShapeSize Size = ShapeSize.Medium, Texture Texture = Texture.Plain);
