namespace TurboDiffusion.ShapeWorld;

/// <summary>Everything that a clip shows. Two scenes are equal when their clips are.</summary>
/// <param name="Background">Where it is.</param>
/// <param name="Motion">What happens.</param>
/// <param name="Objects">One object, or two, neither of them large, that share the motion.</param>
/// <param name="Seed">Decides the free details: place, direction of hops and turns, stars, clouds, hills.</param>
public sealed record Scene(Background Background, Motion Motion, IReadOnlyList<SceneObject> Objects, int Seed)
{
    /// <inheritdoc/>
    public bool Equals(Scene? other) =>
        other is not null && Background == other.Background && Motion == other.Motion && Seed == other.Seed
        && Objects.SequenceEqual(other.Objects);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Background, Motion, Seed, Objects.Count, Objects[0]);

    /// <summary>Refuses what cannot be drawn.</summary>
    /// <exception cref="ArgumentException">There are not one or two objects, or one of two is large, or night falls on
    /// <see cref="Background.StarryNight"/>.</exception>
    internal void Check()
    {
        if (Objects.Count is not (1 or 2))
            throw new ArgumentException($"A scene has {Objects.Count} objects; it needs 1 or 2.");
        if (Objects.Count == 2 && Objects.Any(o => o.Size == ShapeSize.Large))
            throw new ArgumentException("Two objects have no room when one is Large; use Small or Medium.");
        if (Motion == Motion.DayToNight && Background == Background.StarryNight)
            throw new ArgumentException("DayToNight needs a background that shows a day; StarryNight is a night.");
    }
}
