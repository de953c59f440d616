namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>What was read of a clip; null is what could not be told.</summary>
/// <param name="Background">Where it is.</param>
/// <param name="Motion">What happens.</param>
/// <param name="Objects">As many as were expected, from left to right where they are best seen.</param>
public sealed record SceneReading(Background? Background, Motion? Motion, IReadOnlyList<ObjectReading> Objects)
{
    /// <summary>Whether everything could be told.</summary>
    public bool IsComplete => Background is not null && Motion is not null && Objects.All(o => o is { Shape: not null, Color: not null });
}
