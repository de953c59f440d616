using TorchSharp.Utils;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// Sparse-linear attention (SLA): softmax attention over the kept key blocks plus a projected linear attention over all
/// tokens, o = o_sparse + proj_l(o_linear). Differentiable in q, k, v and the projection.
/// </summary>
/// <remarks>arXiv 2509.24006; TurboDiffusion aaecff5, <c>SLA/core.py SparseLinearAttention</c>.</remarks>
public class SparseLinearAttention : AttentionOperator
{
    // Two levels, because the checkpoints call the projection attn_op.local_attn.proj_l.
    [ComponentName(Name = "local_attn")]
    private readonly LinearBranch _linear;

    /// <summary>Creates the operator; the values of its projection come from a checkpoint or an initialiser.</summary>
    /// <param name="options">Ratio and block sizes.</param>
    /// <param name="headDim">D.</param>
    /// <param name="placement">Device of the projection. It stays in float32, as in the published files.</param>
    public SparseLinearAttention(AttentionOptions options, int headDim, Placement placement)
        : base(nameof(SparseLinearAttention))
    {
        Options = options;
        _linear = new LinearBranch(headDim, placement with { Dtype = ScalarType.Float32 });
        RegisterComponents();
    }

    /// <summary>Ratio and block sizes.</summary>
    public AttentionOptions Options { get; }

    /// <summary>proj_l, <c>[D, D]</c> with bias; zero before tuning.</summary>
    public FloatLinear Projection => _linear.Projection;

    /// <inheritdoc/>
    public override Tensor forward(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        Tensor flat = q.flatten(2);
        KernelChoice choice = AttentionKernels.Choose(flat, q.size(3), Options, null);
        return (choice.IsKernel
            ? InKernels(flat, k.flatten(2), v.flatten(2), null, choice.Form)
            : (AttendSparse(q, k, v) + _linear.call(q, k, v)).to_type(q.dtype)).MoveToOuterDisposeScope();
    }

    internal override Tensor AttendProjections(Tensor q, Tensor k, Tensor v, QueryKeyTransform transform)
    {
        KernelChoice choice = AttentionKernels.Choose(q, transform.Rotary.HeadDim, Options, transform);
        return choice.IsKernel ? InKernels(q, k, v, transform, choice.Form) : base.AttendProjections(q, k, v, transform);
    }

    /// <summary>The sparse branch: chooses the key blocks and attends to them.</summary>
    /// <param name="q">Queries <c>[B, L, H, D]</c>.</param>
    /// <param name="k">Keys <c>[B, L, H, D]</c>.</param>
    /// <param name="v">Values <c>[B, L, H, D]</c>.</param>
    /// <returns><c>[B, L, H, D]</c>, float32.</returns>
    protected virtual Tensor AttendSparse(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        return BlockSparseAttention.Attend(q, k, v, BlockSelection.Select(q, k, Options), Options).MoveToOuterDisposeScope();
    }

    private Tensor InKernels(Tensor q, Tensor k, Tensor v, QueryKeyTransform? transform, KernelForm form) =>
        AttentionKernels.Attend(q, k, v, transform, Options, (Projection.Weight, Projection.Bias!), form);

    private sealed class LinearBranch : nn.Module<Tensor, Tensor, Tensor, Tensor>
    {
        [ComponentName(Name = "proj_l")]
        private readonly FloatLinear _projection;

        public LinearBranch(int headDim, Placement placement)
            : base(nameof(LinearBranch))
        {
            _projection = new FloatLinear(headDim, headDim, placement);
            RegisterComponents();
        }

        public FloatLinear Projection => _projection;

        public override Tensor forward(Tensor q, Tensor k, Tensor v)
        {
            using var scope = NewDisposeScope();
            return _projection.call(LinearAttention.Attend(q, k, v)).MoveToOuterDisposeScope();
        }
    }
}
