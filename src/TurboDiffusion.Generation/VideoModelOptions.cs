using TorchSharp;
using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Generation;

/// <summary>How a model is run. Null leaves the choice to the checkpoint and the device.</summary>
public sealed record VideoModelOptions
{
    /// <summary><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>
    /// The element type of the weights; null: bfloat16 on a GPU; float32 on the CPU, but for the autoencoder where the CPU multiplies
    /// bfloat16 (<see cref="Runtime.Devices.ConvolutionDtype"/>).
    /// </summary>
    public torch.ScalarType? Dtype { get; init; }

    /// <summary>
    /// The self-attention; null: for a checkpoint with SLA's projection SageSLA on a GPU with the kernels, SLA elsewhere; dense otherwise.
    /// </summary>
    public AttentionKind? Attention { get; init; }

    /// <summary>The share of key blocks that sparse attention keeps, in (0, 1]; null: the model's default.</summary>
    public double? TopKRatio { get; init; }

    /// <summary>
    /// The number format of the blocks' linear layers; null: int8 for a checkpoint with SLA's projection on a GPU with the kernels, the
    /// checkpoint's elsewhere. Float weights are quantized as they are read.
    /// </summary>
    public WeightFormat? Weights { get; init; }

    /// <summary>
    /// The number format of the text encoder's linear layers; null: the checkpoint's. Float weights are quantized as they are read, the
    /// activations are not. The embedding is then 1 to 5 % off (docs/performance.md).
    /// </summary>
    public WeightFormat? TextEncoderWeights { get; init; }

    /// <summary>LoRAs to merge into the transformer, before it is quantized; they work with every format and attention.</summary>
    public IReadOnlyList<LoraOptions> Loras { get; init; } = [];

    /// <summary>
    /// How many sets of LoRAs that requests ask for (<see cref="VideoRequest.Loras"/>) stay merged in memory between requests, beside the
    /// model's own: each takes the room of the transformers. The least recently used goes; where memory does not suffice, others do, too.
    /// </summary>
    public int MaxLoraSets { get; init; } = 1;

    /// <summary>With two experts: the rectified-flow time in (0, 1) at which the low-noise one takes over; null: the model's.</summary>
    public double? Boundary { get; init; }

    /// <summary>Whether the model's tiny autoencoder serves in place of the full one (<see cref="Models.ModelFiles.TinyVae"/>).</summary>
    public bool TinyVae { get; init; }

    /// <summary>
    /// Which weights are in memory together; null: the first way that leaves room for a video of the model's own size and length.
    /// </summary>
    public Residency? Residency { get; init; }
}
