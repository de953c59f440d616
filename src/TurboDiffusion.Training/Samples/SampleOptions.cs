using TurboDiffusion.Models;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Training.Samples;

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

    /// <summary>Tokens of a prompt, padding included: those of the training data; null: those of the published models.</summary>
    public int? TextLength { get; init; }

    /// <summary>Columns of pixels; a multiple of 16; null, here and below: as published (<see cref="ModelSpec"/>).</summary>
    public int? Width { get; init; }

    /// <summary>Rows of pixels; a multiple of 16.</summary>
    public int? Height { get; init; }

    /// <summary>Frames, 4k + 1.</summary>
    public int? Frames { get; init; }

    /// <summary>Frames per second of the video files.</summary>
    public double? FramesPerSecond { get; init; }

    /// <summary>The sampler; null: rCM for a student that is being distilled, UniPC for others.</summary>
    public SamplerKind? Sampler { get; init; }

    /// <summary>Steps; null: the sampler's default.</summary>
    public int? Steps { get; init; }

    /// <summary>Classifier-free guidance; null: none (1) for a student that is being distilled, as published for others.</summary>
    public GuidanceScale? Guidance { get; init; }

    /// <summary>rCM: noise over signal at the first step.</summary>
    public double? SigmaMax { get; init; }

    /// <summary>UniPC and Euler: how far the schedule leans to the noisy end.</summary>
    public double? Shift { get; init; }

    /// <summary>The seed of the first clip's noise; the next ones use seed + 1, seed + 2, …</summary>
    public ulong Seed { get; init; }
}
