using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
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

    /// <inheritdoc/>
    public override Tensor forward(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        Tensor flat = q.flatten(2);
        KernelChoice choice = Choose(flat, SageAttention.Problem.Of(flat, q.shape[3], Options));
        return (choice.IsKernel ? InKernels(flat, k.flatten(2), v.flatten(2), null, choice.Form) : base.forward(q, k, v))
            .MoveToOuterDisposeScope();
    }

    internal override Tensor AttendProjections(Tensor q, Tensor k, Tensor v, QueryKeyTransform transform)
    {
        SageAttention.Problem problem = SageAttention.Problem.Of(q, transform.Rotary.HeadDim, Options);
        KernelChoice choice = Choose(q,
            problem with { SameDtype = transform.QueryWeight.dtype == q.dtype && transform.KeyWeight.dtype == q.dtype });
        return choice.IsKernel ? InKernels(q, k, v, transform, choice.Form) : base.AttendProjections(q, k, v, transform);
    }

    private static KernelChoice Choose(Tensor q, SageAttention.Problem problem) =>
        SageAttention.Choose(KernelMachine.Offer(KernelOperator.SageAttention, q), problem);

    private Tensor InKernels(Tensor q, Tensor k, Tensor v, QueryKeyTransform? transform, KernelForm form) =>
        SageAttention.Attend(q, k, v, transform, Options, (Projection.Weight, Projection.Bias!), form);
}
