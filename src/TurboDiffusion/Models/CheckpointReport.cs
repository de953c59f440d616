using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.Clip;
using TurboDiffusion.Models.TinyVae;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Models;

/// <summary>What a checkpoint's header says of it. See <see cref="CheckpointInspector"/>.</summary>
public sealed record CheckpointReport
{
    /// <summary>The file, or the index of a sharded one.</summary>
    public required string Path { get; init; }

    /// <summary>How many tensors it holds.</summary>
    public required int TensorCount { get; init; }

    /// <summary>The bytes of all tensors.</summary>
    public required long Bytes { get; init; }

    /// <summary>How many tensors there are of each type, as the file has it: <c>Float32</c>, <c>Q4_K</c>, <c>F8_E4M3</c>.</summary>
    public required IReadOnlyDictionary<string, int> Dtypes { get; init; }

    /// <summary>The key layout, and with it which part of a model it is; null where it is of no known model.</summary>
    public CheckpointLayout? Layout { get; init; }

    /// <summary>The published model that has these sizes, or <c>custom</c>; null where it is of no known model.</summary>
    public string? Preset { get; init; }

    /// <summary>Of a transformer: original, SLA, int8.</summary>
    public WanVariant? Variant { get; init; }

    /// <summary>The sizes, if it is a transformer.</summary>
    public WanConfig? Transformer { get; init; }

    /// <summary>The sizes, if it is a VAE.</summary>
    public VaeConfig? Vae { get; init; }

    /// <summary>The sizes, if it is a tiny autoencoder.</summary>
    public TinyVaeConfig? TinyVae { get; init; }

    /// <summary>The sizes, if it is a text encoder.</summary>
    public UMT5Config? TextEncoder { get; init; }

    /// <summary>The number format of its linear layers, if it is a text encoder.</summary>
    public WeightFormat? TextEncoderWeights { get; init; }

    /// <summary>The sizes, if it is an image encoder.</summary>
    public ClipConfig? ImageEncoder { get; init; }

    /// <summary>What it changes, if it is a LoRA.</summary>
    public LoraReport? Lora { get; init; }

    /// <summary>What the header cannot tell; null for nothing.</summary>
    public string? Note { get; init; }

    /// <summary>Why it cannot be loaded; empty if it can.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];
}
