using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Models;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Generation;

/// <summary>What to generate and where to write it. What is null follows the model's defaults.</summary>
public sealed record VideoRequest
{
    /// <summary>What the video shows. Not empty.</summary>
    public required string Prompt { get; init; }

    /// <summary>What it should not show; counts only with guidance.</summary>
    public string? NegativePrompt { get; init; }

    /// <summary>Image to video: the first frame, as an encoded image (JPEG, PNG, WebP).</summary>
    public ReadOnlyMemory<byte>? StartImage { get; init; }

    /// <summary>The name of the start image, for messages.</summary>
    public string StartImageName { get; init; } = "start image";

    /// <summary>
    /// The last frame beside the first, as an encoded image, for models that take one (FLF2V, Wan 2.2 image to video). Of another
    /// aspect ratio than the start image's, its middle is taken; then it is fitted to the video's size as that one is.
    /// </summary>
    public ReadOnlyMemory<byte>? EndImage { get; init; }

    /// <summary>The name of the end image, for messages.</summary>
    public string EndImageName { get; init; } = "end image";

    /// <summary>Keep the start image's aspect ratio, at the area of <see cref="Size"/>.</summary>
    public bool AdaptiveSize { get; init; }

    /// <summary>
    /// LoRAs for this request, in place of the model's own; empty: none; null: the model's own. Merged when they are first asked for, and
    /// kept as <see cref="VideoModelOptions.MaxLoraSets"/> says.
    /// </summary>
    public IReadOnlyList<LoraOptions>? Loras { get; init; }

    /// <summary>
    /// Causal generation: latent frames that are denoised together, each group seeing those before it, and written before the next is
    /// begun; null: the whole clip at once. Needs a model that was distilled for it.
    /// </summary>
    public int? CausalFrames { get; init; }

    /// <summary>Width and height.</summary>
    public VideoSize? Size { get; init; }

    /// <summary>Frames, 4k + 1.</summary>
    public int? Frames { get; init; }

    /// <summary>Frames per second of the file; changes the speed, not the frames.</summary>
    public double? FramesPerSecond { get; init; }

    /// <summary>The sampler.</summary>
    public SamplerKind? Sampler { get; init; }

    /// <summary>Model calls.</summary>
    public int? Steps { get; init; }

    /// <summary>rCM: follow the deterministic flow instead of adding fresh noise.</summary>
    public bool? Ode { get; init; }

    /// <summary>rCM: noise over signal at the first step.</summary>
    public double? SigmaMax { get; init; }

    /// <summary>UniPC and Euler: how far the schedule leans to the noisy end.</summary>
    public double? Shift { get; init; }

    /// <summary>Classifier-free guidance: a number, or one for each of two experts; 1 is none.</summary>
    public GuidanceScale? GuidanceScale { get; init; }

    /// <summary>The seed of the first video; the next ones use seed + 1, … Null draws one, which the result carries.</summary>
    public ulong? Seed { get; init; }

    /// <summary>How many videos.</summary>
    public int Count { get; init; } = 1;

    /// <summary>
    /// The file to write (.mp4, .webm, .gif) or a folder of PNG frames (ends in /). With several videos, a number is put before
    /// the extension: <c>video-1.mp4</c>, <c>video-2.mp4</c>, …
    /// </summary>
    public required string OutputPath { get; init; }

    /// <summary>How the file is written.</summary>
    public VideoOptions Output { get; init; } = VideoOptions.Default;

    /// <summary>The file of one of the videos.</summary>
    /// <param name="video">Which, from 0.</param>
    public string PathOf(int video)
    {
        if (Count == 1) return OutputPath;
        string number = (video + 1).ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (Path.EndsInDirectorySeparator(OutputPath))
            return $"{Path.TrimEndingDirectorySeparator(OutputPath)}-{number}{Path.DirectorySeparatorChar}";
        string extension = Path.GetExtension(OutputPath);
        return $"{OutputPath[..^extension.Length]}-{number}{extension}";
    }
}
