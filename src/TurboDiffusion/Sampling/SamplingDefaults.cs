namespace TurboDiffusion.Sampling;

/// <summary>
/// What a model is sampled with where nothing else is asked for: its sampler, its guidance, and the settings of every sampler.
/// </summary>
public sealed record SamplingDefaults
{
    /// <summary>The sampler.</summary>
    public required SamplerKind Sampler { get; init; }

    /// <summary>Classifier-free guidance, whichever the sampler.</summary>
    public required GuidanceScale GuidanceScale { get; init; }

    /// <summary>rCM: model calls, 1 to 4.</summary>
    public required int RcmSteps { get; init; }

    /// <summary>rCM: noise over signal at the first step.</summary>
    public required double SigmaMax { get; init; }

    /// <summary>rCM: follow the deterministic flow instead of adding fresh noise in every step.</summary>
    public required bool Ode { get; init; }

    /// <summary>UniPC and Euler: steps.</summary>
    public required int FlowSteps { get; init; }

    /// <summary>UniPC and Euler: how far the schedule leans to the noisy end.</summary>
    public required double Shift { get; init; }

    /// <summary>The settings of a sampler; null, here and below: the model's.</summary>
    /// <param name="kind">Which.</param>
    /// <param name="steps">Model calls.</param>
    /// <param name="sigmaMax">rCM: noise over signal at the first step.</param>
    /// <param name="ode">rCM: follow the deterministic flow.</param>
    /// <param name="shift">UniPC and Euler: how far the schedule leans to the noisy end.</param>
    public SamplerOptions Of(
        SamplerKind? kind = null, int? steps = null, double? sigmaMax = null, bool? ode = null, double? shift = null)
    {
        SamplerKind sampler = kind ?? Sampler;
        bool isRcm = sampler == SamplerKind.Rcm;
        return new()
        {
            Kind = sampler, Steps = steps ?? (isRcm ? RcmSteps : FlowSteps), SigmaMax = sigmaMax ?? SigmaMax,
            Ode = ode ?? (isRcm && Ode), Shift = shift ?? Shift,
        };
    }
}
