using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// Full softmax attention in SageAttention's formats: int8 q·kᵀ, fp8 P·V. For models that are not tuned for sparse attention; it has no
/// weights. For inference only: rounding has no gradient.
/// </summary>
/// <remarks>arXiv 2410.02367, 2411.10958; in the formats of <see cref="SageSparseLinearAttention"/>.</remarks>
public sealed class SageAttention : AttentionOperator
{
    private static readonly AttentionOptions Options = AttentionOptions.Sage;

    /// <summary>Creates the operator.</summary>
    public SageAttention()
        : base(nameof(SageAttention))
    {
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        Tensor flat = q.flatten(2);
        KernelChoice choice = AttentionKernels.Choose(flat, q.shape[3], Options, null);
        return (choice.IsKernel
            ? AttentionKernels.Attend(flat, k.flatten(2), v.flatten(2), null, Options, null, choice.Form)
            : BlockSparseAttention.AttendSage(q, k, v, AllBlocks(q), Options).to_type(q.dtype)).MoveToOuterDisposeScope();
    }

    internal override Tensor AttendProjections(Tensor q, Tensor k, Tensor v, QueryKeyTransform transform)
    {
        KernelChoice choice = AttentionKernels.Choose(q, transform.Rotary.HeadDim, Options, transform);
        return choice.IsKernel
            ? AttentionKernels.Attend(q, k, v, transform, Options, null, choice.Form)
            : base.AttendProjections(q, k, v, transform);
    }

    private static Tensor AllBlocks(Tensor q) =>
        BlockSelection.All(q.shape[0], q.shape[2], q.shape[1], Options, ScalarType.Int64, q.device);
}
