using TurboDiffusion.Models;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Generation.Models;

/// <summary>What a model's description says of how it is run. What is null is as published (<see cref="ModelSpec"/>).</summary>
public sealed record GenerationDefaults
{
    /// <summary>Columns of pixels.</summary>
    public int? Width { get; init; }

    /// <summary>Rows of pixels.</summary>
    public int? Height { get; init; }

    /// <summary>Frames, 4k + 1.</summary>
    public int? Frames { get; init; }

    /// <summary>Frames per second.</summary>
    public int? FramesPerSecond { get; init; }

    /// <summary>The sampler.</summary>
    public SamplerKind? Sampler { get; init; }

    /// <summary>Steps of that sampler.</summary>
    public int? Steps { get; init; }

    /// <summary>rCM: the deterministic flow.</summary>
    public bool? Ode { get; init; }

    /// <summary>rCM: noise over signal at the first step.</summary>
    public double? SigmaMax { get; init; }

    /// <summary>UniPC and Euler: the shift.</summary>
    public double? Shift { get; init; }

    /// <summary>Classifier-free guidance; 1 is none.</summary>
    public GuidanceScale? GuidanceScale { get; init; }

    /// <summary>With two experts: the noise level in (0, 1) at which the low-noise one takes over.</summary>
    public double? Boundary { get; init; }

    /// <summary>The share of key blocks that sparse attention keeps.</summary>
    public double? TopKRatio { get; init; }

    /// <summary>Tokens per query and per key block of sparse attention.</summary>
    public int? AttentionBlock { get; init; }

    /// <summary>Tokens of a text, padding included: what the transformer was trained with.</summary>
    public int? TextLength { get; init; }

    /// <summary>Whether the weights are random, so that every picture is noise.</summary>
    public bool RandomWeights { get; init; }

    /// <summary>The settings with these in place of the published ones.</summary>
    /// <param name="published">What is published of the model.</param>
    /// <exception cref="InvalidRequestException">Width or height is not a multiple of 16.</exception>
    public ModelSpec Over(ModelSpec published)
    {
        SamplingDefaults sampling = published.Sampling;
        SamplerKind sampler = Sampler ?? sampling.Sampler;
        return published with
        {
            Sizes = (Width ?? Height) is null ? published.Sizes
                : [new VideoSize(Width ?? published.Size.Width, Height ?? published.Size.Height)],
            Frames = Frames ?? published.Frames,
            FramesPerSecond = FramesPerSecond ?? published.FramesPerSecond,
            Boundary = published.Boundary is null ? null : Boundary ?? published.Boundary,
            TopKRatio = TopKRatio ?? published.TopKRatio,
            AttentionBlock = AttentionBlock ?? published.AttentionBlock,
            TextLength = TextLength ?? published.TextLength,
            Sampling = sampling with
            {
                Sampler = sampler,
                GuidanceScale = GuidanceScale ?? sampling.GuidanceScale,
                RcmSteps = sampler == SamplerKind.Rcm ? Steps ?? sampling.RcmSteps : sampling.RcmSteps,
                FlowSteps = sampler == SamplerKind.Rcm ? sampling.FlowSteps : Steps ?? sampling.FlowSteps,
                SigmaMax = SigmaMax ?? sampling.SigmaMax,
                Ode = Ode ?? sampling.Ode,
                Shift = Shift ?? sampling.Shift,
            },
        };
    }
}
