using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// The whole of attention as a sequence of kernels: statistics of all tokens, one pass over q, one over k and v, for sparse-linear
/// attention the choice of blocks, then the products; in SageAttention's formats, or on Hopper in bfloat16. The plain form is the
/// operators' own.
/// </summary>
internal static class AttentionKernels
{
    /// <summary>What the choice of a form depends on.</summary>
    /// <param name="Batch">Sequences.</param>
    /// <param name="Length">Tokens of a sequence.</param>
    /// <param name="Heads">Heads.</param>
    /// <param name="HeadDim">Channels of a head.</param>
    /// <param name="QueryBlock">Queries of a block.</param>
    /// <param name="KeyBlock">Keys of a block.</param>
    /// <param name="Dtype">The element type of q, k and v.</param>
    /// <param name="SameDtype">Whether it is that of the norms' weights, too.</param>
    /// <param name="Kind">The operator.</param>
    public readonly record struct Problem(
        long Batch, long Length, long Heads, long HeadDim, int QueryBlock, int KeyBlock, ScalarType Dtype, bool SameDtype = true,
        AttentionKind Kind = AttentionKind.SageSla)
    {
        /// <summary>That of projections.</summary>
        /// <param name="q"><c>[B, L, H·D]</c></param>
        /// <param name="headDim">D.</param>
        /// <param name="options">Block sizes.</param>
        public static Problem Of(Tensor q, long headDim, AttentionOptions options) =>
            new(q.size(0), q.size(1), q.size(2) / headDim, headDim, options.QueryBlock, options.KeyBlock, q.dtype,
                Kind: options.Kind);
    }

    /// <summary>Which form runs.</summary>
    /// <param name="offered">What the machine offers.</param>
    /// <param name="p">The problem.</param>
    public static KernelChoice Choose(KernelChoice offered, Problem p) => offered
        .Require(p.Dtype == ScalarType.BFloat16 && p.SameDtype, "the kernels take bfloat16")
        .Require(p.HeadDim == SageOperand.HeadDim, "the kernels take heads of 128 channels")
        .Require(p.QueryBlock is 64 or 128 && p.KeyBlock is 64 or 128, "the kernels take blocks of 64 or 128 tokens")
        .Require(p.Length is > 0 and < int.MaxValue && p.Batch * p.Heads is > 0 and <= ushort.MaxValue
            && SageStatisticsKernel.Supports(p.Heads * p.HeadDim),
            "the number of tokens or heads is out of the kernels' range")
        .Require(p.Kind != AttentionKind.Sla
            || offered.Form == KernelForm.Sm90 && Sm90SlaAttentionKernel.Suits(p.QueryBlock, p.KeyBlock),
            "SLA in bfloat16 has a kernel for Hopper alone, in blocks of 128 queries and 64 keys; SageSLA has one for every GPU")
        .RequireForSm90(p.Kind == AttentionKind.Sla || Sm90Int8AttentionKernel.Suits(p.QueryBlock, p.KeyBlock),
            "Hopper's own kernel takes blocks of 64 queries and 128 keys");

    /// <summary>Which form runs for tensors.</summary>
    /// <param name="q">The projection <c>[B, L, H·D]</c>.</param>
    /// <param name="headDim">D.</param>
    /// <param name="options">Kind and block sizes.</param>
    /// <param name="transform">What is still to be done to q and k; null where they are normalised and rotated.</param>
    public static KernelChoice Choose(Tensor q, long headDim, AttentionOptions options, QueryKeyTransform? transform) => Choose(
        KernelMachine.Offer(KernelOperator.Attention, q), Problem.Of(q, headDim, options) with
        {
            SameDtype = transform is not { } todo || (todo.QueryWeight.dtype == q.dtype && todo.KeyWeight.dtype == q.dtype),
        });

    /// <summary>Attends.</summary>
    /// <param name="q">Queries, bfloat16 <c>[B, L, H·128]</c>.</param>
    /// <param name="k">Keys, as q.</param>
    /// <param name="v">Values, as q.</param>
    /// <param name="transform">What is still to be done to q and k; null where they are normalised and rotated.</param>
    /// <param name="options">Kind, block sizes and ratio.</param>
    /// <param name="projection">proj_l: weight and bias, float32 <c>[128, 128]</c> and <c>[128]</c>; null for full attention.</param>
    /// <param name="form">The kernels.</param>
    /// <returns>bfloat16 <c>[B, L, H, 128]</c>.</returns>
    public static Tensor Attend(
        Tensor q, Tensor k, Tensor v, QueryKeyTransform? transform, AttentionOptions options, (Tensor Weight, Tensor Bias)? projection,
        KernelForm form)
    {
        using var scope = NewDisposeScope();
        Tensor queries = SageOperand.Rows(q), keys = SageOperand.Rows(k), values = SageOperand.Rows(v);
        bool sage = options.Kind != AttentionKind.Sla, hopper = form == KernelForm.Sm90;
        ScalarType element = sage ? ScalarType.Int8 : ScalarType.BFloat16;
        Tensor? queryInverse = null, keyInverse = null, mean;
        if (transform is { } todo) (queryInverse, keyInverse, mean) = SageStatisticsKernel.Run(queries, keys, todo);
        else mean = SageQuantization.KeyMean(Heads(keys));
        SageQueriesKernel.Result left = SageQueriesKernel.Run(queries, queryInverse, transform.GetValueOrDefault(), options.QueryBlock,
            element, features: options.IsSparse);
        Tensor? channels = hopper && options.Kind == AttentionKind.Sage ? SageQuantization.ValueChannels(Heads(values)) : null;
        SageKeysKernel.Result right = SageKeysKernel.Run(keys, values, mean, keyInverse, transform.GetValueOrDefault(), options.KeyBlock,
            fp8: sage && hopper && options.IsSparse, element, state: options.IsSparse, channels);
        if (projection is not { } mixing)
            return (hopper
                ? Sm90Int8AttentionKernel.Run(left, right, channels!)
                : AttendPortable(left, right, Heads(values), AllBlocks(values, options), options).to_type(ScalarType.BFloat16))
                .MoveToOuterDisposeScope();
        (Tensor Mix, Tensor FeatureSums) state = SageStateKernel.Run(right.Products, right.Sums, mixing.Weight);
        Tensor kept = Choose(left.Pooled, right.Pooled, options);
        return (!sage ? Sm90SlaAttentionKernel.Run(left, right, values, kept, state, mixing.Bias)
            : hopper ? Sm90Int8AttentionKernel.Run(left, right, kept, state, mixing.Bias)
            : (AttendPortable(left, right, Heads(values), kept, options) + AttendLinear(left.Features, state, mixing.Bias))
                .to_type(ScalarType.BFloat16)).MoveToOuterDisposeScope();
    }

    /// <summary>The kept key blocks, int32.</summary>
    /// <param name="pooledQ">bfloat16 <c>[B, H, query blocks, 128]</c>.</param>
    /// <param name="pooledK">bfloat16 <c>[B, H, key blocks, 128]</c>.</param>
    /// <param name="options">The ratio.</param>
    public static Tensor Choose(Tensor pooledQ, Tensor pooledK, AttentionOptions options)
    {
        using var scope = NewDisposeScope();
        if (!BlockTopKKernel.Supports(pooledK.size(2)))
            return BlockSelection.Choose(pooledQ, pooledK, options).to_type(ScalarType.Int32).MoveToOuterDisposeScope();
        return BlockTopKKernel.Run(Scores(pooledQ, pooledK), options.KeptBlocks((int)pooledK.size(2))).MoveToOuterDisposeScope();
    }

    /// <summary><see cref="BlockSelection.Scores"/> on a GPU, whose bfloat16 products are summed in float32 and rounded once.</summary>
    internal static Tensor Scores(Tensor pooledQ, Tensor pooledK) => pooledQ.matmul(pooledK.transpose(-1, -2));

    /// <summary>
    /// The state with the projection in it, so that the branch is one product: (φ(q)·S)·Wᵀ = φ(q)·(W·Sᵀ)ᵀ. The division by
    /// φ(q)·z, a number per token, comes after. The plain form of <see cref="SageStateKernel"/>.
    /// </summary>
    /// <param name="products">Parts of S, float32 <c>[B, H, parts, features, values]</c>.</param>
    /// <param name="sums">Parts of z, float32 <c>[B, H, parts, features]</c>.</param>
    /// <param name="weight">W, float32 <c>[outputs, values]</c>.</param>
    /// <returns>bfloat16 <c>[B, H, outputs, features]</c> and float32 <c>[B, H, features]</c>.</returns>
    public static (Tensor Mix, Tensor FeatureSums) ProjectState(Tensor products, Tensor sums, Tensor weight)
    {
        using var scope = NewDisposeScope();
        Tensor mix = weight.matmul(products.sum(2).transpose(-1, -2)).to_type(ScalarType.BFloat16);
        return (mix.MoveToOuterDisposeScope(), sums.sum(2).MoveToOuterDisposeScope());
    }

    /// <summary>The linear branch from what the kernels made, in torch: the plain form of what the Hopper kernel ends with.</summary>
    /// <param name="features">φ(q), bfloat16 <c>[B, H, L, 128]</c>.</param>
    /// <param name="state">M, bfloat16 <c>[B, H, outputs, features]</c>, and z, float32 <c>[B, H, 128]</c>.</param>
    /// <param name="bias">Float32 <c>[128]</c>.</param>
    /// <returns>Float32 <c>[B, L, H, 128]</c>.</returns>
    public static Tensor AttendLinear(Tensor features, (Tensor Mix, Tensor FeatureSums) state, Tensor bias)
    {
        using var scope = NewDisposeScope();
        Tensor wide = features.to_type(ScalarType.Float32);
        Tensor normaliser = LinearAttention.Eps + wide.matmul(state.FeatureSums.unsqueeze(-1));
        return (wide.matmul(state.Mix.to_type(ScalarType.Float32).transpose(-1, -2)) / normaliser + bias).transpose(1, 2)
            .MoveToOuterDisposeScope();
    }

    private static Tensor AttendPortable(
        SageQueriesKernel.Result q, SageKeysKernel.Result k, Tensor v, Tensor kept, AttentionOptions options) =>
        SageSparseAttentionKernel.Run((q.Values, q.Scales), (k.Values, k.Scales), v, kept, options);

    private static Tensor AllBlocks(Tensor v, AttentionOptions options)
    {
        SageOperand.Size size = SageOperand.Size.Of(v);
        return BlockSelection.All(size.Batch, size.Heads, size.Length, options, ScalarType.Int32, v.device);
    }

    private static Tensor Heads(Tensor x) => x.unflatten(2, [-1, SageOperand.HeadDim]);
}
