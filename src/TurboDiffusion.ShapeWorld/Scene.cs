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
    /// <exception cref="ArgumentException">What <see cref="Objection"/> says.</exception>
    internal void Check()
    {
        if (Objection() is { } objection) throw new ArgumentException(objection);
    }

    /// <summary>Why the scene cannot be drawn; null where it can.</summary>
    internal string? Objection() => this switch
    {
        { Objects.Count: not (1 or 2) } => $"A scene has {Objects.Count} objects; it needs 1 or 2.",
        { Objects.Count: 2 } when Objects.Any(o => o.Size == ShapeSize.Large) =>
            "Two objects have no room when one is Large; use Small or Medium.",
        { Motion: Motion.DayToNight, Background: Background.StarryNight } =>
            "DayToNight needs a background that shows a day; StarryNight is a night.",
        _ => null,
    };
}
