namespace TurboDiffusion.Sampling;

/// <summary>Which sampler to use and how. What a model is sampled with: <see cref="SamplingDefaults.Of"/>.</summary>
public sealed record SamplerOptions
{
    /// <summary>The sampler.</summary>
    public required SamplerKind Kind { get; init; }

    /// <summary>Model calls.</summary>
    public required int Steps { get; init; }

    /// <summary>rCM: follow the deterministic flow instead of adding fresh noise in every step.</summary>
    public bool Ode { get; init; }

    /// <summary>rCM, which needs it: noise over signal at the first step.</summary>
    public double SigmaMax { get; init; }

    /// <summary>UniPC and Euler, which need it: how far the schedule leans to the noisy end; 1 leaves it even.</summary>
    public double Shift { get; init; }

    /// <summary>Makes the sampler.</summary>
    /// <exception cref="InvalidRequestException">A value is outside its sampler's range.</exception>
    public ISampler Create() => Kind switch
    {
        SamplerKind.Rcm => new RcmSampler(Steps, SigmaMax, Ode),
        _ when Ode => throw new InvalidRequestException("ode",
            $"Ode is a choice of the rCM sampler; {Kind} is always deterministic. Leave it out."),
        SamplerKind.UniPc => new UniPcSampler(Steps, Shift),
        SamplerKind.Euler => new EulerSampler(Steps, Shift),
        _ => throw new InvalidRequestException("sampler",
            $"There is no sampler {Kind}; choose one of {string.Join(", ", Enum.GetNames<SamplerKind>())}."),
    };

    /// <summary>Finds a sampler by name, in any case.</summary>
    /// <param name="name">Such as <c>rcm</c>, <c>unipc</c>, <c>euler</c>.</param>
    /// <exception cref="InvalidRequestException">There is no such sampler.</exception>
    public static SamplerKind ParseKind(string name) =>
        !int.TryParse(name, out _) && Enum.TryParse(name, ignoreCase: true, out SamplerKind kind)
            ? kind
            : throw new InvalidRequestException("sampler",
                $"There is no sampler '{name}'; choose one of {string.Join(", ", Enum.GetNames<SamplerKind>()).ToLowerInvariant()}.");
}
