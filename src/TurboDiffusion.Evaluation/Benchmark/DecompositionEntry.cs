namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>The denoising of one video with the ingredients so far.</summary>
/// <param name="Ingredient">What is new.</param>
/// <param name="Calls">Calls of the transformer.</param>
/// <param name="StepMilliseconds">One call, measured.</param>
/// <param name="Seconds">All calls.</param>
/// <param name="Gain">Times faster than the entry before.</param>
/// <param name="Total">Times faster than the original.</param>
internal sealed record DecompositionEntry(string Ingredient, int Calls, double StepMilliseconds, double Seconds, double Gain, double Total);
