using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using static TorchSharp.torch;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>A plan with its defaults filled in.</summary>
/// <param name="Spec">The model.</param>
/// <param name="Size">The video's size.</param>
/// <param name="Frames">The video's frames.</param>
/// <param name="Device">Where.</param>
/// <param name="Variants">What is measured, in order.</param>
internal sealed record BenchmarkTarget(ModelSpec Spec, VideoSize Size, int Frames, Device Device, IReadOnlyList<BenchmarkVariant> Variants)
{
    /// <summary>Sparse attention's share of key blocks.</summary>
    public double TopK { get; init; } = Spec.TopKRatio;

    /// <summary>The model whose weights are measured; null: random ones.</summary>
    public ModelFiles? Files { get; init; }

    /// <summary>The rank of a LoRA of random factors that is merged into the weights; null: none.</summary>
    public int? LoraRank { get; init; }

    /// <summary>What is measured, in words.</summary>
    public string Model => LoraRank is { } rank ? $"{Spec.Name} with a LoRA of rank {rank} merged" : Spec.Name;

    /// <summary>The latents, <c>[1, 16, T, H, W]</c>.</summary>
    public long[] LatentShape => Spec.Vae.LatentShape(1, Frames, Size.Height, Size.Width);

    /// <summary>A self-attention with the model's share and blocks.</summary>
    public AttentionOptions Attention(AttentionKind kind) => AttentionOptions.Of(kind, TopK, Spec.AttentionBlock);

    /// <summary>Tokens that attend to each other, L.</summary>
    public long Tokens => Patches.Count(LatentShape);
}
