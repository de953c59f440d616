namespace TurboDiffusion.Operators.Attention;

/// <summary>The self-attention operators of the model.</summary>
public enum AttentionKind
{
    /// <summary>Full softmax attention: the original model.</summary>
    Dense,

    /// <summary>Sparse-linear attention, arXiv 2509.24006: <see cref="SparseLinearAttention"/>.</summary>
    Sla,

    /// <summary>Sparse-linear attention whose sparse branch runs in int8 and fp8: <see cref="SageSparseLinearAttention"/>.</summary>
    SageSla,

    /// <summary>Full softmax attention in int8: <see cref="SageAttention"/>.</summary>
    Sage,
}
