namespace TurboDiffusion.Training.Losses;

/// <summary>Weights of the terms of <see cref="VaeLoss"/>.</summary>
public sealed record VaeLossOptions
{
    /// <summary>Weight of the absolute error of the pixels.</summary>
    public double Pixels { get; init; } = 1;

    /// <summary>Weight of the absolute error of differences between neighbouring pixels and frames: sharpness and motion.</summary>
    public double Differences { get; init; } = 1;

    /// <summary>
    /// The share of the error, in [0, 1], that is the mean over the objects alone, where they are and where they were or will be a frame
    /// apart; the rest is the mean over the whole picture. The objects are a few per cent of it, and most of what it is about. Needs data
    /// that knows where the objects are.
    /// </summary>
    public double Objects { get; init; }

    /// <summary>
    /// The share of batches whose latents are halved in height and width, and have to decode to the halved video. Latents that shrink as
    /// pictures do are smooth, and far easier for a diffusion model to learn. Height and width of the clips must be multiples of 16.
    /// </summary>
    /// <remarks>arXiv 2502.09509, section 3.</remarks>
    public double Halved { get; init; }

    /// <summary>Weight of the divergence of the posterior from the prior, per latent value.</summary>
    public double Divergence { get; init; } = 1e-3;
}
