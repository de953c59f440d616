using TurboDiffusion.Sampling;

namespace TurboDiffusion.Training.Configuration;

/// <summary>Clips that a transformer in training makes now and then, to look at. Text to video only.</summary>
public sealed record SampleOptions
{
    /// <summary>Iterations from one set of clips to the next; there is one at the end, too.</summary>
    public int Every { get; init; } = 500;

    /// <summary>What the clips show, one each.</summary>
    public required IReadOnlyList<string> Prompts { get; init; }

    /// <summary>What guidance steers away from.</summary>
    public string NegativePrompt { get; init; } = "";

    /// <summary>The checkpoint of the VAE.</summary>
    public required string Vae { get; init; }

    /// <summary>The checkpoint of the text encoder; null: the run's own.</summary>
    public string? TextEncoder { get; init; }

    /// <summary>The SentencePiece model of the text encoder.</summary>
    public required string Tokenizer { get; init; }

    /// <summary>Tokens of a prompt, padding included: those of the training data.</summary>
    public int TextLength { get; init; } = 512;

    /// <summary>Columns of pixels; a multiple of 16.</summary>
    public int Width { get; init; } = 832;

    /// <summary>Rows of pixels; a multiple of 16.</summary>
    public int Height { get; init; } = 480;

    /// <summary>Frames, 4k + 1.</summary>
    public int Frames { get; init; } = 81;

    /// <summary>Frames per second of the video files.</summary>
    public double FramesPerSecond { get; init; } = 16;

    /// <summary>The sampler; null: rCM for a student that is being distilled, UniPC for others.</summary>
    public SamplerKind? Sampler { get; init; }

    /// <summary>Steps; null: the sampler's default.</summary>
    public int? Steps { get; init; }

    /// <summary>Classifier-free guidance; null: none (1) for a student that is being distilled, 5 for others.</summary>
    public double? Guidance { get; init; }

    /// <summary>rCM: noise over signal at the first step.</summary>
    public double SigmaMax { get; init; } = 80;

    /// <summary>UniPC and Euler: how far the schedule leans to the noisy end.</summary>
    public double Shift { get; init; } = 5;

    /// <summary>The seed of the first clip's noise; the next ones use seed + 1, seed + 2, …</summary>
    public ulong Seed { get; init; }
}
