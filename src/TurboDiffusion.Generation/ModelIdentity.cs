using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Generation;

/// <summary>Which model made a video, and how it was run.</summary>
/// <param name="Name">The model's name.</param>
/// <param name="Preset">The published preset of its dimensions, or <c>custom</c>.</param>
/// <param name="Variant">The checkpoint's variant: <c>original</c>, <c>sla</c>, <c>sla-quant</c> or <c>quant</c>.</param>
/// <param name="Attention">The attention that was run.</param>
/// <param name="Weights">The number format that was run.</param>
/// <param name="Device">The device.</param>
public sealed record ModelIdentity(string Name, string Preset, string Variant, AttentionKind Attention, WeightFormat Weights, string Device)
{
    /// <summary>The number format of the text encoder that was run.</summary>
    public WeightFormat TextEncoderWeights { get; init; }

    /// <summary>Whether a tiny autoencoder decodes.</summary>
    public bool TinyVae { get; init; }

    /// <summary>The LoRAs merged into it, each as its file's name and strength.</summary>
    public IReadOnlyList<string> Loras { get; init; } = [];

    /// <summary>All of it in one line.</summary>
    public override string ToString() =>
        $"{Name} ({Preset}, {Variant}{string.Concat(Loras.Select(l => $", LoRA {l}"))}; {Attention.ToString().ToLowerInvariant()} "
            + $"attention, {Weights.ToString().ToLowerInvariant()} weights, "
            + $"{(TextEncoderWeights == WeightFormat.Float ? "" : $"{TextEncoderWeights.ToString().ToLowerInvariant()} text encoder, ")}"
            + $"{(TinyVae ? "tiny VAE, " : "")}{Device})";
}
