using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>What turns the projections of q and k into what attention takes: normalisation over the whole width, then rotation.</summary>
/// <param name="QueryWeight">Of the normalisation of q, <c>[H·D]</c>.</param>
/// <param name="KeyWeight">Of the normalisation of k, <c>[H·D]</c>.</param>
/// <param name="Rotary">The rotations of the L positions.</param>
/// <param name="Eps">ε of the normalisation.</param>
internal readonly record struct QueryKeyTransform(Tensor QueryWeight, Tensor KeyWeight, RotaryEmbedding Rotary, double Eps)
{
    /// <summary>Which form runs.</summary>
    /// <param name="q"><c>[B, L, H·D]</c></param>
    public KernelChoice Choose(Tensor q) => RmsNormRotaryKernel.Choose(
        KernelMachine.Offer(KernelOperator.RmsNormRotary, q),
        new(q.size(0) * q.size(1), q.size(2), Rotary.HeadDim, q.dtype, SameDtype: QueryWeight.dtype == q.dtype
            && KeyWeight.dtype == q.dtype));

    /// <summary>Normalises q and k over their whole width and rotates them.</summary>
    /// <param name="q"><c>[B, L, H·D]</c></param>
    /// <param name="k"><c>[B, L, H·D]</c></param>
    /// <returns>Two tensors <c>[B, L, H, D]</c>.</returns>
    public (Tensor Q, Tensor K) Apply(Tensor q, Tensor k) => Choose(q).IsKernel
        ? RmsNormRotaryKernel.Run(q, k, QueryWeight, KeyWeight, Rotary.Cosines, Rotary.Sines, Rotary.HeadDim, Eps)
        : ApplyPlain(q, k);

    /// <summary>The plain form of <see cref="Apply"/>.</summary>
    public (Tensor Q, Tensor K) ApplyPlain(Tensor q, Tensor k) => (Plain(q, QueryWeight), Plain(k, KeyWeight));

    private Tensor Plain(Tensor x, Tensor weight)
    {
        using var scope = NewDisposeScope();
        return Rotary.Rotate(TorchScript.RmsNorm(x, weight, Eps).unflatten(2, [-1, Rotary.HeadDim])).MoveToOuterDisposeScope();
    }
}
