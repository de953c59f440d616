using TurboDiffusion.Models;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Training.Samples;

/// <summary>Scores of a transformer: what makes clips of it.</summary>
public sealed record TransformerScoreOptions : ScoreOptions
{
    /// <summary>The checkpoint of the VAE that encoded the data.</summary>
    public required string Vae { get; init; }

    /// <summary>The SentencePiece model of the text encoder.</summary>
    public required string Tokenizer { get; init; }

    /// <summary>Tokens of a prompt, padding included: those of the training data.</summary>
    public int TextLength { get; init; } = 48;

    /// <summary>The sampler; null: that of a distilled model for a student in distillation, of an original one for others.</summary>
    public SamplerKind? Sampler { get; init; }

    /// <summary>Steps; null: the sampler's default.</summary>
    public int? Steps { get; init; }

    /// <summary>Classifier-free guidance; null: as for the sampler.</summary>
    public GuidanceScale? Guidance { get; init; }

    /// <summary>rCM: noise over signal at the first step; null: the default.</summary>
    public double? SigmaMax { get; init; }

    /// <summary>UniPC and Euler: how far the schedule leans to the noisy end; null: the default.</summary>
    public double? Shift { get; init; }
}
