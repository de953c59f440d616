using TurboDiffusion.Training.Losses;

namespace TurboDiffusion.Training.Loops;

/// <summary>One loss of an iteration. Each is computed, back-propagated and freed before the next begins.</summary>
/// <param name="Name">Such as <c>scm</c>, <c>dmd</c>, <c>critic</c>.</param>
/// <param name="Compute">Draws what it needs and computes the loss.</param>
public readonly record struct LossTerm(string Name, Func<LossResult> Compute);
