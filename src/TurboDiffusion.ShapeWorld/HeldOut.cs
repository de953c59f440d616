namespace TurboDiffusion.ShapeWorld;

/// <summary>
/// The combinations (shape, colour, background, motion) that are kept out of training, about 8% of all, chosen by a fixed
/// hash. Each attribute, and each pair of them, is still seen in training, so a model can put the combination together.
/// </summary>
public static class HeldOut
{
    private const int Percent = 8;

    /// <summary>Whether the combination is kept out of training.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="color">The colour.</param>
    /// <param name="background">The background.</param>
    /// <param name="motion">The motion.</param>
    public static bool Contains(Shape shape, ShapeColor color, Background background, Motion motion) =>
        SceneRandom.Mix(0x5EED
            + (ulong)shape * 1_000_003 + (ulong)color * 10_007 + (ulong)background * 101 + (ulong)motion * 1_299_709)
            % 100 < Percent;

    /// <summary>Whether the scene shows such a combination, with any of its objects.</summary>
    /// <param name="scene">The scene.</param>
    public static bool Contains(Scene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        return scene.Objects.Any(o => Contains(o.Shape, o.Color, scene.Background, scene.Motion));
    }
}
