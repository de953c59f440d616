using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Training.Networks;

/// <summary>
/// Training of a LoRA in place of a whole transformer: which factors, beside weights that stay as they are. Those are the base, which is
/// what the loop begins from.
/// </summary>
public sealed record LoraTrainingOptions
{
    /// <summary>The layers of a block that LoRAs of Wan usually change: its linear ones.</summary>
    public static IReadOnlyList<string> BlockLayers { get; } =
    [
        "self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o",
        "cross_attn.q", "cross_attn.k", "cross_attn.v", "cross_attn.o",
        "ffn.0", "ffn.2",
    ];

    /// <summary>Those that a block of a model with an image branch has beside them.</summary>
    public static IReadOnlyList<string> ImageBranchLayers { get; } = ["cross_attn.k_img", "cross_attn.v_img"];

    /// <summary>The rank of the factors; what a layer may learn, and the size of the file, grow with it.</summary>
    public int Rank { get; init; } = 32;

    /// <summary>α: the change is α / rank · B·A. Null: the rank, which makes that factor 1.</summary>
    public double? Alpha { get; init; }

    /// <summary>
    /// Which layers, by Wan's names: those of a block (<c>self_attn.q</c>) in every block, others in full (<c>head.head</c>). Null: the
    /// usual ones, <see cref="BlockLayers"/> and, where the model has them, <see cref="ImageBranchLayers"/>.
    /// </summary>
    public IReadOnlyList<string>? Layers { get; init; }

    /// <summary>
    /// The number format in which the base runs while its factors are trained. In int8, what is trained is what runs: the sum of weights
    /// and factors is quantized anew for every product, and the gradients pass through as though it were not. Null: the checkpoint's own.
    /// </summary>
    public WeightFormat? Weights { get; init; }

    /// <summary>
    /// The attention that the base runs while its factors are trained, dense or SLA; null: the loop's, dense but for SLA tuning.
    /// </summary>
    public AttentionKind? Attention { get; init; }

    /// <summary>With SLA here: the share of key blocks kept.</summary>
    public double TopK { get; init; } = AttentionOptions.DefaultTopKRatio;

    /// <summary>With SLA here: tokens per query and per key block; null: as the published models.</summary>
    public int? Block { get; init; }
}
