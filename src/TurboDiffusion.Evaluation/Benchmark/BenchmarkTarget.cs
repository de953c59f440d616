using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
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
    /// <summary>The rank of a LoRA of random factors that is merged into the weights; null: none.</summary>
    public int? LoraRank { get; init; }

    /// <summary>What is measured, in words.</summary>
    public string Model => LoraRank is { } rank ? $"{Spec.Name} with a LoRA of rank {rank} merged" : Spec.Name;

    /// <summary>The latents, <c>[1, 16, T, H, W]</c>.</summary>
    public long[] LatentShape => Spec.Vae.LatentShape(1, Frames, Size.Height, Size.Width);

    /// <summary>Tokens that attend to each other, L.</summary>
    public long Tokens => Patches.Count(LatentShape);
}
