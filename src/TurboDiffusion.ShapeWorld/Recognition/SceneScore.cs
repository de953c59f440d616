namespace TurboDiffusion.ShapeWorld.Recognition;

/// <summary>Which attributes of a clip are what they should be.</summary>
/// <param name="Shape">The shape of every object.</param>
/// <param name="Color">The colour of every object.</param>
/// <param name="Background">The background.</param>
/// <param name="Motion">The motion.</param>
public readonly record struct SceneScore(bool Shape, bool Color, bool Background, bool Motion)
{
    /// <summary>Whether all four are right.</summary>
    public bool All => Shape && Color && Background && Motion;
}
