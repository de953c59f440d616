using TurboDiffusion.Checkpoints;
using TurboDiffusion.Operators;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;

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

    /// <summary>
    /// What the variant is run with where nothing else is asked for. With the projection of sparse-linear attention, which the published
    /// Turbo checkpoints have, that is the fastest way whose quality their authors accept: SageSLA and int8 weights (float ones are
    /// quantized as they are read) on a GPU that runs both in kernels, SLA and the checkpoint's own weights elsewhere. Without, dense
    /// attention and the checkpoint's own weights everywhere.
    /// </summary>
    /// <param name="config">The dimensions.</param>
    /// <param name="attentionBlock">Tokens of a block of the attention, where they are not the kind's own.</param>
    /// <param name="placement">Where it is run, and in which element type.</param>
    /// <exception cref="InvalidRequestException">The environment's switch of the kernels has a value that it does not know.</exception>
    public (AttentionKind Attention, WeightFormat Weights) DefaultOn(WanConfig config, int? attentionBlock, Placement placement) =>
        // Which form an operator takes does not depend on how many tokens there are.
        DefaultWhere(OperatorReport.IsAccelerated(config.Block(1, placement.Dtype),
            AttentionOptions.Of(AttentionKind.SageSla, block: attentionBlock), placement.Device));

    /// <summary>As above.</summary>
    /// <param name="accelerated">Whether SageSLA and the products of int8 weights run in kernels.</param>
    internal (AttentionKind Attention, WeightFormat Weights) DefaultWhere(bool accelerated) =>
        !HasProjection ? (AttentionKind.Dense, Weights)
        : accelerated ? (AttentionKind.SageSla, WeightFormat.Int8)
        : (AttentionKind.Sla, Weights);

    /// <summary>The variant of a checkpoint, from its names alone.</summary>
    /// <param name="checkpoint">A checkpoint with the official names.</param>
    public static WanVariant Of(ICheckpoint checkpoint) => new(
        checkpoint.Tensors.ContainsKey(WanCheckpoint.Projection(0, "weight")),
        WanCheckpoint.Int8Layers.FormatOf(checkpoint));
}
