using TurboDiffusion.Runtime;
using TurboDiffusion.Operators.Normalization;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// A self-attention operator: q, k, v <c>[B, L, H, D]</c> of one float dtype, after normalisation and rotary embedding,
/// to the output <c>[B, L, H, D]</c> in the same dtype. The softmax scale is 1/√D.
/// </summary>
public abstract class AttentionOperator : nn.Module<Tensor, Tensor, Tensor, Tensor>
{
    /// <summary>Creates the operator.</summary>
    /// <param name="name">The module's name.</param>
    protected AttentionOperator(string name)
        : base(name)
    {
    }

    /// <summary>
    /// Attends to projections: normalises and rotates q and k, and attends; where there are kernels for all of it, in one sequence.
    /// </summary>
    /// <param name="q">The projection <c>[B, L, H·D]</c>.</param>
    /// <param name="k">As q.</param>
    /// <param name="v">As q.</param>
    /// <param name="transform">What is to be done to q and k.</param>
    /// <returns><c>[B, L, H, D]</c></returns>
    internal virtual Tensor AttendProjections(Tensor q, Tensor k, Tensor v, QueryKeyTransform transform)
    {
        using var scope = NewDisposeScope();
        (Tensor queries, Tensor keys) = transform.Apply(q, k);
        return call(queries, keys, v.unflatten(2, [-1, transform.Rotary.HeadDim])).MoveToOuterDisposeScope();
    }

    /// <summary>The operator that the options ask for.</summary>
    /// <param name="options">Kind, ratio and block sizes.</param>
    /// <param name="headDim">D.</param>
    /// <param name="placement">Device and dtype of its weights, if it has any.</param>
    public static AttentionOperator Create(AttentionOptions options, int headDim, Runtime.Placement placement) => options.Kind switch
    {
        AttentionKind.Dense => new DenseAttention(),
        AttentionKind.Sla => new SparseLinearAttention(options, headDim, placement),
        AttentionKind.Sage => new SageAttention(),
        AttentionKind.SageSla => new SageSparseLinearAttention(options, headDim, placement),
        _ => throw new ArgumentOutOfRangeException(nameof(options), options.Kind, "Unknown attention kind."),
    };
}
