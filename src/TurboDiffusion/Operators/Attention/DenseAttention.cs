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
}
