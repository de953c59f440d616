using TurboDiffusion.Sampling;

namespace TurboDiffusion.Training.Configuration;

/// <summary>Scores of a transformer: what makes clips of it.</summary>
public sealed record TransformerScoreOptions : ScoreOptions
{
    /// <summary>The checkpoint of the VAE that encoded the data.</summary>
    public required string Vae { get; init; }

    /// <summary>The SentencePiece model of the text encoder.</summary>
    public required string Tokenizer { get; init; }

    /// <summary>Tokens of a prompt, padding included: those of the training data.</summary>
    public int TextLength { get; init; } = 48;

    /// <summary>The sampler; null: rCM for a student that is being distilled, UniPC for others.</summary>
    public SamplerKind? Sampler { get; init; }

    /// <summary>Steps; null: the sampler's default.</summary>
    public int? Steps { get; init; }

    /// <summary>Classifier-free guidance; null: none (1) for a student that is being distilled, 5 for others.</summary>
    public double? Guidance { get; init; }

    /// <summary>rCM: noise over signal at the first step.</summary>
    public double SigmaMax { get; init; } = 80;

    /// <summary>UniPC and Euler: how far the schedule leans to the noisy end.</summary>
    public double Shift { get; init; } = 3;
}
