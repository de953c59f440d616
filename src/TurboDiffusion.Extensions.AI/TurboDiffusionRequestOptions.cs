using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// The knobs of one request that <see cref="VideoGenerationOptions"/> has no property for; set by
/// <see cref="TurboDiffusionRequestExtensions.WithTurboDiffusion"/>, or returned by its
/// <see cref="VideoGenerationOptions.RawRepresentationFactory"/>. What is <see langword="null"/> follows the model's defaults.
/// </summary>
public sealed class TurboDiffusionRequestOptions
{
    /// <summary>The sampler.</summary>
    public SamplerKind? Sampler { get; set; }

    /// <summary>Model calls.</summary>
    public int? Steps { get; set; }

    /// <summary>rCM: follow the deterministic flow instead of adding fresh noise.</summary>
    public bool? Ode { get; set; }

    /// <summary>rCM: noise over signal at the first step.</summary>
    public double? SigmaMax { get; set; }

    /// <summary>UniPC and Euler: how far the schedule leans to the noisy end.</summary>
    public double? Shift { get; set; }

    /// <summary>Classifier-free guidance: a number, or one for each of two experts; 1 is none.</summary>
    public GuidanceScale? GuidanceScale { get; set; }

    /// <summary>
    /// LoRAs for this request in place of those of <see cref="TurboDiffusionOptions"/>, each as <c>FILE</c> or <c>FILE:STRENGTH</c>; empty:
    /// none; <see langword="null"/> in all three lists: those of the options. Paths are opened as they are: do not pass on what somebody
    /// else chose. Of a cache's key they are part by path and strength, not by their content.
    /// </summary>
    public IList<string>? Loras { get; set; }

    /// <summary>With two experts: LoRAs for the high-noise one, likewise; with one transformer, that half of LoRAs of both.</summary>
    public IList<string>? HighNoiseLoras { get; set; }

    /// <summary>With two experts: LoRAs for the low-noise one, likewise; with one transformer, that half of LoRAs of both.</summary>
    public IList<string>? LowNoiseLoras { get; set; }

    /// <summary>
    /// Causal generation: latent frames that are denoised together; with <see cref="StreamFrames"/>, their frames come before the next
    /// group is begun. Needs a model that was distilled for it.
    /// </summary>
    public int? CausalFrames { get; set; }

    /// <summary>Frames, 4k + 1. Wins over the duration.</summary>
    public int? Frames { get; set; }

    /// <summary>
    /// Whether a streaming call yields every frame as PNG once it is decoded. Without it, the call yields as many frames
    /// as <see cref="VideoGenerationOptions.StreamingCount"/> says, as previews.
    /// </summary>
    public bool StreamFrames { get; set; }

    /// <summary>
    /// Whether a streaming call yields a picture after each denoising step, of what the video will be as the model predicts it then: an
    /// update of the kind <see cref="VideoGenerationResponseUpdateKind.VideoUpdating"/> with its step as
    /// <see cref="VideoGenerationResponseUpdate.Progress"/>. It shows the middle of the video where the model has a tiny autoencoder, else
    /// the first frame; none comes with low memory and without a tiny one. The video is the same with and without.
    /// </summary>
    public bool StreamSteps { get; set; }

    /// <summary>
    /// The file to write: .mp4, .webm, .gif, or a folder of PNG frames (ends in /). Wins over the media type. An existing
    /// file is not overwritten.
    /// </summary>
    public string? OutputPath { get; set; }

    /// <summary>The LoRAs of all three lists; <see langword="null"/> where none is given.</summary>
    internal IReadOnlyList<LoraOptions>? ParsedLoras() => (Loras ?? HighNoiseLoras ?? LowNoiseLoras) is null ? null
        : TurboDiffusionOptions.Parsed(Loras ?? [], HighNoiseLoras ?? [], LowNoiseLoras ?? []);

    /// <summary>Copies the options.</summary>
    /// <returns>The copy.</returns>
    public TurboDiffusionRequestOptions Clone()
    {
        var copy = (TurboDiffusionRequestOptions)MemberwiseClone();
        copy.Loras = Loras is null ? null : [.. Loras];
        copy.HighNoiseLoras = HighNoiseLoras is null ? null : [.. HighNoiseLoras];
        copy.LowNoiseLoras = LowNoiseLoras is null ? null : [.. LowNoiseLoras];
        return copy;
    }
}
