namespace TurboDiffusion.Training.Networks;

/// <summary>A condition, and the one that classifier-free guidance steers away from.</summary>
/// <param name="Positive">What the samples show.</param>
/// <param name="Negative">The empty or negative prompt.</param>
/// <param name="Scale">1: no guidance, the negative side is not evaluated.</param>
public sealed record Guidance(Condition Positive, Condition Negative, double Scale);
