using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// Sparse-linear attention whose sparse branch runs in SageAttention's formats: int8 q·kᵀ, fp8 P·V. For inference only;
/// tune with <see cref="SparseLinearAttention"/>.
/// </summary>
/// <remarks>TurboDiffusion aaecff5, <c>SLA/core.py SageSparseLinearAttention</c>; arXiv 2411.10958.</remarks>
public sealed class SageSparseLinearAttention : SparseLinearAttention
{
    /// <summary>Creates the operator; the values of its projection come from a checkpoint or an initialiser.</summary>
    /// <param name="options">Ratio and block sizes.</param>
    /// <param name="headDim">D.</param>
    /// <param name="placement">Device of the projection. It stays in float32, as in the published files.</param>
    public SageSparseLinearAttention(AttentionOptions options, int headDim, Placement placement)
        : base(options, headDim, placement)
    {
    }

    /// <inheritdoc/>
    protected override Tensor AttendSparse(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        return BlockSparseAttention.AttendSage(q, k, v, BlockSelection.Select(q, k, Options), Options).MoveToOuterDisposeScope();
    }
}
