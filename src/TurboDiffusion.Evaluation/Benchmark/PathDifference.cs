namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>How far an accelerated path's latents are from the plain one's, from the same weights and noise.</summary>
/// <param name="Label">The accelerated path.</param>
/// <param name="Reference">The plain path.</param>
/// <param name="RelativeL2">‖x − reference‖ / ‖reference‖ of the latents after each step; errors of earlier steps add up.</param>
internal sealed record PathDifference(string Label, string Reference, IReadOnlyList<double> RelativeL2);
