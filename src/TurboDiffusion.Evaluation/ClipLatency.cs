namespace TurboDiffusion.Evaluation;

/// <summary>How long one clip takes, in seconds: medians of the runs, models loaded, prompts known.</summary>
/// <param name="Denoising">All denoising steps.</param>
/// <param name="Decoding">The VAE, until the frames are in the computer's memory.</param>
/// <param name="Runs">How many runs.</param>
public sealed record ClipLatency(double Denoising, double Decoding, int Runs)
{
    /// <summary>Both.</summary>
    public double Total => Denoising + Decoding;
}
