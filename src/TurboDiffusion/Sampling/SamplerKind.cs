namespace TurboDiffusion.Sampling;

/// <summary>The ways from noise to a video.</summary>
public enum SamplerKind
{
    /// <summary>Few steps of a distilled model (rCM): <see cref="RcmSampler"/>.</summary>
    Rcm,

    /// <summary>Many steps of an undistilled model, order-2 predictor–corrector: <see cref="UniPcSampler"/>.</summary>
    UniPc,

    /// <summary>Many steps of an undistilled model, order 1: <see cref="EulerSampler"/>.</summary>
    Euler,
}
