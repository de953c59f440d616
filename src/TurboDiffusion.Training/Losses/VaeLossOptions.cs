namespace TurboDiffusion.Training.Losses;

/// <summary>Weights of the terms of <see cref="VaeLoss"/>.</summary>
public sealed record VaeLossOptions
{
    /// <summary>Weight of the absolute error of the pixels.</summary>
    public double Pixels { get; init; } = 1;

    /// <summary>Weight of the absolute error of differences between neighbouring pixels and frames: sharpness and motion.</summary>
    public double Differences { get; init; } = 1;

    /// <summary>Weight of the divergence of the posterior from the prior, per latent value.</summary>
    public double Divergence { get; init; } = 1e-3;
}
