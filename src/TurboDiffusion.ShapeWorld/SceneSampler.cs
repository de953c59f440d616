namespace TurboDiffusion.ShapeWorld;

/// <summary>Draws scenes at random, every attribute evenly. A seed gives one scene for ever.</summary>
/// <remarks>
/// Three quarters of the scenes have one object. Of those with two, a quarter has two of a kind. A circle that spins is
/// never plain, and day turns to night only where there is day.
/// </remarks>
public static class SceneSampler
{
    /// <summary>A scene for training: never one that <see cref="HeldOut"/> contains.</summary>
    /// <param name="seed">Decides everything.</param>
    public static Scene Training(int seed)
    {
        var random = SceneRandom.For(seed, 3);
        bool two = random.Chance(0.25f);
        while (true)
        {
            Scene scene = Draw(random, two);
            if (!HeldOut.Contains(scene)) return scene;
        }
    }

    /// <summary>Scenes that training never shows: <see cref="HeldOut"/> contains the combination of the first object, which
    /// is the only one in three quarters of the scenes.</summary>
    /// <param name="count">How many.</param>
    /// <param name="seed">Decides which.</param>
    public static IReadOnlyList<Scene> HeldOutScenes(int count, int seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        var random = SceneRandom.For(seed, 4);
        return [.. Enumerable.Range(0, count).Select(_ => Next())];

        Scene Next()
        {
            bool two = random.Chance(0.25f);
            while (true)
            {
                Scene scene = Draw(random, two);
                SceneObject first = scene.Objects[0];
                if (HeldOut.Contains(first.Shape, first.Color, scene.Background, scene.Motion)) return scene;
            }
        }
    }

    private static Scene Draw(SceneRandom random, bool two)
    {
        Background background;
        Motion motion;
        do
        {
            background = random.Of(Enum.GetValues<Background>());
            motion = random.Of(Enum.GetValues<Motion>());
        }
        while (background == Background.StarryNight && motion == Motion.DayToNight);
        SceneObject first = Object();
        SceneObject[] objects = !two ? [first] : random.Chance(0.25f) ? [first, first] : [first, Object()];
        return new Scene(background, motion, objects, random.Next(int.MaxValue));

        SceneObject Object()
        {
            Shape shape = random.Of(Enum.GetValues<Shape>());
            Texture texture = random.Of(Enum.GetValues<Texture>());
            if (shape == Shape.Circle && motion == Motion.Spin && texture == Texture.Plain) texture = Texture.Striped;
            ShapeSize size = (ShapeSize)random.Next(two ? 2 : 3);
            return new SceneObject(shape, random.Of(Enum.GetValues<ShapeColor>()), size, texture);
        }
    }
}
