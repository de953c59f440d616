using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>Full softmax attention: softmax(q·kᵀ/√D)·v.</summary>
public sealed class DenseAttention : AttentionOperator
{
    /// <summary>Creates the operator; it has no weights.</summary>
    public DenseAttention()
        : base(nameof(DenseAttention))
    {
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor q, Tensor k, Tensor v) => Attend(q, k, v);

    /// <summary>Full softmax attention, also between sequences of different lengths (cross-attention).</summary>
    /// <param name="q">Queries <c>[B, L, H, D]</c>.</param>
    /// <param name="k">Keys <c>[B, S, H, D]</c>.</param>
    /// <param name="v">Values <c>[B, S, H, D]</c>.</param>
    /// <returns><c>[B, L, H, D]</c></returns>
    public static Tensor Attend(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        return nn.functional.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
            .transpose(1, 2).MoveToOuterDisposeScope();
    }

    /// <summary>The same to a padded sequence.</summary>
    /// <param name="q">Queries <c>[B, L, H, D]</c>.</param>
    /// <param name="k">Keys <c>[B, S, H, D]</c>.</param>
    /// <param name="v">Values <c>[B, S, H, D]</c>.</param>
    /// <param name="distinct">
    /// From this row on, in 1 … S, all keys and values are that of the row before it; null: they may all differ, and torch attends.
    /// </param>
    /// <returns><c>[B, L, H, D]</c></returns>
    internal static Tensor Attend(Tensor q, Tensor k, Tensor v, long? distinct) => distinct is { } rows
        && Sm90CrossAttentionKernel.Choose(KernelMachine.Offer(KernelOperator.CrossAttention, q), q.size(3), q.dtype, rows).IsKernel
            ? Sm90CrossAttentionKernel.Run(q, k, v, rows)
            : Attend(q, k, v);

    /// <summary>
    /// <see cref="DistinctRows"/> where a kernel may make use of it, as the answer has to come from the device; null elsewhere.
    /// </summary>
    /// <param name="x"><c>[B, S, …]</c></param>
    internal static long? UsefulRows(Tensor x) =>
        KernelMachine.Offer(KernelOperator.CrossAttention, x).Form == KernelForm.Sm90 ? DistinctRows(x) : null;

    /// <summary>Up to which row the rows of a padded sequence differ: those after it equal the one before it.</summary>
    /// <param name="x"><c>[B, S, …]</c></param>
    /// <returns>In 1 … S.</returns>
    internal static long DistinctRows(Tensor x)
    {
        using var scope = NewDisposeScope();
        long rows = x.size(1);
        Tensor equal = x.eq(x.narrow(1, rows - 1, 1)).flatten(2).all(2).all(0);
        bool[] equalsLast = [.. equal.cpu().data<bool>()];
        return Array.FindLastIndex(equalsLast, e => !e) + 2 is var distinct && distinct > rows ? rows : distinct;
    }
}
