using TorchSharp;
using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Which model a <see cref="TurboDiffusionVideoGenerator"/> runs, and how. They hold for the life of the generator.</summary>
public sealed class TurboDiffusionOptions
{
    /// <summary>
    /// A model by the name of its folder among the models, or by the path of its folder; <see langword="null"/> is the
    /// model of the package <c>TurboDiffusion.Models.Shapes</c>, or without that, a small one of random weights.
    /// </summary>
    public string? Model { get; set; }

    /// <summary><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; set; } = "auto";

    /// <summary>The self-attention; <see langword="null"/> leaves it to the checkpoint and the device.</summary>
    public AttentionKind? Attention { get; set; }

    /// <summary>The share of key blocks that sparse attention keeps, in (0, 1]; <see langword="null"/> leaves it to the model.</summary>
    public double? TopKRatio { get; set; }

    /// <summary>The number format of the linear layers; <see langword="null"/> leaves it to the checkpoint and the device.</summary>
    public WeightFormat? Weights { get; set; }

    /// <summary>
    /// The number format of the text encoder's linear layers; <see langword="null"/> is the checkpoint's. In int8 it takes about half the
    /// memory, and the embedding is 1 to 5 % off (docs/performance.md).
    /// </summary>
    public WeightFormat? TextEncoderWeights { get; set; }

    /// <summary>
    /// The element type of float weights: <c>Float32</c>, <c>BFloat16</c> or <c>Float16</c>; <see langword="null"/> is bfloat16 on a GPU;
    /// float32 on the CPU, but for the autoencoder where the CPU multiplies bfloat16 (AVX512-BF16 or AMX).
    /// </summary>
    public torch.ScalarType? Dtype { get; set; }

    /// <summary>
    /// With two experts: the time in (0, 1) down to which the high-noise one serves; <see langword="null"/> leaves it to the model.
    /// </summary>
    public double? Boundary { get; set; }

    /// <summary>
    /// LoRAs to merge into the transformer, each as <c>FILE</c> or <c>FILE:STRENGTH</c>, such as <c>style.safetensors:0.8</c>.
    /// </summary>
    public IList<string> Loras { get; set; } = [];

    /// <summary>With two experts: LoRAs for the high-noise one, likewise; with one transformer, that half of LoRAs of both.</summary>
    public IList<string> HighNoiseLoras { get; set; } = [];

    /// <summary>With two experts: LoRAs for the low-noise one, likewise; with one transformer, that half of LoRAs of both.</summary>
    public IList<string> LowNoiseLoras { get; set; } = [];

    /// <summary>
    /// How many sets of LoRAs that requests ask for (<see cref="TurboDiffusionRequestOptions.Loras"/>) stay merged in memory between
    /// requests, beside the model with its own; each takes the room of the transformers.
    /// </summary>
    public int MaxLoraSets { get; set; } = 1;

    /// <summary>Whether the model's tiny autoencoder decodes, which is faster and coarser.</summary>
    public bool TinyVae { get; set; }

    /// <summary>
    /// Which weights are in memory together; <see langword="null"/> is the first way that leaves room for a video of the model's own size
    /// and length.
    /// </summary>
    public Residency? Residency { get; set; }

    /// <summary>
    /// Where videos are written; <see langword="null"/> is the folder <c>turbodiffusion-videos</c> among the temporary files.
    /// </summary>
    public string? OutputDirectory { get; set; }

    /// <summary>Requests that may wait for the device; one more fails with <see cref="VideoGeneratorQueueFullException"/>.</summary>
    public int MaxQueuedRequests { get; set; } = 16;

    /// <summary>The LoRAs of all three lists.</summary>
    internal IReadOnlyList<LoraOptions> ParsedLoras() => Parsed(Loras, HighNoiseLoras, LowNoiseLoras);

    /// <summary>The LoRAs of three lists: for all experts, the high-noise one and the low-noise one.</summary>
    internal static IReadOnlyList<LoraOptions> Parsed(
        IEnumerable<string> all, IEnumerable<string> highNoise, IEnumerable<string> lowNoise) =>
    [
        .. all.Select(text => LoraOptions.Parse(text)),
        .. highNoise.Select(text => LoraOptions.Parse(text, LoraExperts.HighNoise)),
        .. lowNoise.Select(text => LoraOptions.Parse(text, LoraExperts.LowNoise)),
    ];
}
