namespace TurboDiffusion.Sampling;

/// <summary>Which sampler to use and how; the one place of the defaults.</summary>
public sealed record SamplerOptions
{
    /// <summary>Steps of a distilled model where none are asked for.</summary>
    public const int DefaultRcmSteps = 4;

    /// <summary>Steps of an undistilled model where none are asked for.</summary>
    public const int DefaultFlowSteps = 50;

    /// <summary>The sampler; rCM by default.</summary>
    public SamplerKind Kind { get; init; } = SamplerKind.Rcm;

    /// <summary>Model calls; null: <see cref="DefaultRcmSteps"/> or <see cref="DefaultFlowSteps"/>.</summary>
    public int? Steps { get; init; }

    /// <summary>rCM: follow the deterministic flow instead of adding fresh noise in every step.</summary>
    public bool Ode { get; init; }

    /// <summary>rCM: noise over signal at the first step; 80 for text-to-video, 200 for image-to-video as published.</summary>
    public double SigmaMax { get; init; } = 80;

    /// <summary>UniPC and Euler: how far the schedule leans to the noisy end; 5 as published, 3 for small frames.</summary>
    public double Shift { get; init; } = 5;

    /// <summary>Makes the sampler.</summary>
    /// <exception cref="InvalidRequestException">A value is outside its sampler's range.</exception>
    public ISampler Create() => Kind switch
    {
        SamplerKind.Rcm => new RcmSampler(Steps ?? DefaultRcmSteps, SigmaMax, Ode),
        _ when Ode => throw new InvalidRequestException("ode", $"Ode is a choice of the rCM sampler; {Kind} is always deterministic. Leave it out."),
        SamplerKind.UniPc => new UniPcSampler(Steps ?? DefaultFlowSteps, Shift),
        SamplerKind.Euler => new EulerSampler(Steps ?? DefaultFlowSteps, Shift),
        _ => throw new InvalidRequestException("sampler", $"There is no sampler {Kind}; choose one of {string.Join(", ", Enum.GetNames<SamplerKind>())}."),
    };

    /// <summary>Finds a sampler by name, in any case.</summary>
    /// <param name="name">Such as <c>rcm</c>, <c>unipc</c>, <c>euler</c>.</param>
    /// <exception cref="InvalidRequestException">There is no such sampler.</exception>
    public static SamplerKind ParseKind(string name) =>
        !int.TryParse(name, out _) && Enum.TryParse(name, ignoreCase: true, out SamplerKind kind)
            ? kind
            : throw new InvalidRequestException("sampler", $"There is no sampler '{name}'; choose one of {string.Join(", ", Enum.GetNames<SamplerKind>()).ToLowerInvariant()}.");
}
