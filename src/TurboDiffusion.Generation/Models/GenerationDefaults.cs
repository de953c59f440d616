using TurboDiffusion.Generation.Text;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Generation.Models;

/// <summary>What a model is run with where the request does not say.</summary>
public sealed record GenerationDefaults
{
    /// <summary>Columns of pixels.</summary>
    public int Width { get; init; } = 832;

    /// <summary>Rows of pixels.</summary>
    public int Height { get; init; } = 480;

    /// <summary>Frames, 4k + 1.</summary>
    public int Frames { get; init; } = 81;

    /// <summary>Frames per second.</summary>
    public int FramesPerSecond { get; init; } = 16;

    /// <summary>The sampler.</summary>
    public SamplerKind Sampler { get; init; } = SamplerKind.Rcm;

    /// <summary>Steps; null takes the sampler's own default.</summary>
    public int? Steps { get; init; }

    /// <summary>rCM: the deterministic flow.</summary>
    public bool Ode { get; init; }

    /// <summary>rCM: noise over signal at the first step.</summary>
    public double SigmaMax { get; init; } = 80;

    /// <summary>UniPC and Euler: the shift.</summary>
    public double Shift { get; init; } = 5;

    /// <summary>Classifier-free guidance; 1 is none.</summary>
    public double GuidanceScale { get; init; } = 1;

    /// <summary>The share of key blocks that sparse attention keeps.</summary>
    public double TopKRatio { get; init; } = Operators.Attention.AttentionOptions.DefaultTopKRatio;

    /// <summary>Tokens per query and per key block of sparse attention; null: those of the attention kind.</summary>
    public int? AttentionBlock { get; init; }

    /// <summary>Tokens of a text, padding included: what the transformer was trained with.</summary>
    public int TextLength { get; init; } = SentencePieceTextTokenizer.WanLength;

    /// <summary>Whether the weights are random, so that every picture is noise.</summary>
    public bool RandomWeights { get; init; }

    /// <summary>The published settings of a model.</summary>
    /// <param name="config">Its dimensions.</param>
    /// <param name="variant">Checkpoints with the SLA projection are distilled by rCM, others are original ones.</param>
    public static GenerationDefaults Of(WanConfig config, WanVariant variant)
    {
        WanPreset? preset = WanPreset.Of(config);
        // The image-to-video model is published for 720p and the ODE.
        GenerationDefaults defaults = config.IsImageToVideo
            ? new() { Width = 1280, Height = 720, Ode = true, SigmaMax = WanPreset.I2VA14B.SigmaMax }
            : new() { SigmaMax = preset?.SigmaMax ?? WanPreset.T2V1_3B.SigmaMax };
        return variant.HasProjection ? defaults
            : defaults with { Sampler = SamplerKind.UniPc, GuidanceScale = 5, Ode = false };
    }

    /// <summary>
    /// The settings of a model that a step-distillation LoRA (lightx2v) was merged into: 4 Euler steps at the times 1000, 750, 500 and
    /// 250 of a schedule shifted by 5, without guidance. Of two experts, each then serves two steps.
    /// </summary>
    public GenerationDefaults Distilled() =>
        this with { Sampler = SamplerKind.Euler, Steps = 4, Shift = 5, GuidanceScale = 1, Ode = false };
}
