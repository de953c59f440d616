namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>What was read of one object; null is what could not be told.</summary>
/// <param name="Shape">Its outline.</param>
/// <param name="Color">The colour of its body.</param>
public sealed record ObjectReading(Shape? Shape, ShapeColor? Color);
