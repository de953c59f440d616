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

    /// <summary>The settings of one of the samplers.</summary>
    /// <param name="kind">Which.</param>
    public SamplerOptions Of(SamplerKind kind) => kind == SamplerKind.Rcm
        ? new() { Kind = kind, Steps = RcmSteps, SigmaMax = SigmaMax, Ode = Ode, Shift = Shift }
        : new() { Kind = kind, Steps = FlowSteps, SigmaMax = SigmaMax, Shift = Shift };
}
