using TurboDiffusion.ShapeWorld.Recognition;

namespace TurboDiffusion.Evaluation;

/// <summary>The shares of clips, 0 to 1, in which an attribute is right.</summary>
/// <param name="Clips">How many clips.</param>
/// <param name="Shape">The shape of every object.</param>
/// <param name="Color">The colour of every object.</param>
/// <param name="Background">The background.</param>
/// <param name="Motion">The motion.</param>
/// <param name="All">All four.</param>
public sealed record AttributeScores(int Clips, double Shape, double Color, double Background, double Motion, double All)
{
    /// <summary>Counts.</summary>
    /// <param name="scores">At least one.</param>
    public static AttributeScores Of(IReadOnlyCollection<SceneScore> scores)
    {
        double Share(Func<SceneScore, bool> right) => (double)scores.Count(right) / scores.Count;
        return new AttributeScores(scores.Count, Share(s => s.Shape), Share(s => s.Color), Share(s => s.Background), Share(s => s.Motion),
            Share(s => s.All));
    }
}
