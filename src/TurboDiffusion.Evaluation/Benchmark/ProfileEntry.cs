namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>A part of a denoising step.</summary>
/// <param name="Part">Its name; a module's is that of its checkpoint key, without the block's number.</param>
/// <param name="Milliseconds">Over all blocks.</param>
/// <param name="Share">Of the whole step, in [0, 1].</param>
internal sealed record ProfileEntry(string Part, double Milliseconds, double Share);
