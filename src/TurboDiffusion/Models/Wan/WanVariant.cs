using TurboDiffusion.Checkpoints;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Models.Wan;

/// <summary>What a Wan checkpoint holds beside the original tensors.</summary>
/// <param name="HasProjection">Whether the blocks have the projection of sparse-linear attention.</param>
/// <param name="Weights">The number format of the blocks' linear layers.</param>
public sealed record WanVariant(bool HasProjection, WeightFormat Weights)
{
    /// <summary>
    /// The published name: <c>original</c>, <c>sla</c>, <c>sla-quant</c>; or <c>quant</c> for int8 without the projection.
    /// </summary>
    public string Name => (HasProjection, Weights) switch
    {
        (false, WeightFormat.Float) => "original",
        (true, WeightFormat.Float) => "sla",
        (true, WeightFormat.Int8) => "sla-quant",
        _ => "quant",
    };

    /// <summary>The variant of a checkpoint, from its names alone.</summary>
    /// <param name="checkpoint">A checkpoint with the official names.</param>
    public static WanVariant Of(ICheckpoint checkpoint) => new(
        checkpoint.Tensors.ContainsKey(WanCheckpoint.Projection(0, "weight")),
        checkpoint.Tensors.ContainsKey("blocks.0.self_attn.q.int8_weight") ? WeightFormat.Int8 : WeightFormat.Float);
}
