using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// The whole of sparse-linear attention in SageAttention's formats as a sequence of kernels: statistics of all tokens, one
/// pass over q, one over k and v, the choice of blocks, then both branches. The plain form is
/// <see cref="SageSparseLinearAttention"/>'s own.
/// </summary>
internal static class SageKernels
{
    /// <summary>Whether the kernels do a problem.</summary>
    /// <param name="q"><c>[B, L, H·D]</c></param>
    /// <param name="headDim">D.</param>
    /// <param name="options">Block sizes.</param>
    public static bool Takes(Tensor q, long headDim, AttentionOptions options) =>
        KernelPaths.Takes(KernelOperator.SageSparseAttention, q)
        && new SageSparseAttentionKernel.Problem(q.shape[1], q.shape[0] * (q.shape[2] / headDim), headDim, options.QueryBlock, options.KeyBlock, q.dtype).IsSupported
        && SageStatisticsKernel.Supports(q.shape[2]);

    /// <summary>Attends.</summary>
    /// <param name="q">Queries, bfloat16 <c>[B, L, H·128]</c>.</param>
    /// <param name="k">Keys, as q.</param>
    /// <param name="v">Values, as q.</param>
    /// <param name="transform">What is still to be done to q and k; null where they are normalised and rotated.</param>
    /// <param name="options">Block sizes and ratio.</param>
    /// <param name="projection">proj_l: weight and bias, float32 <c>[128, 128]</c> and <c>[128]</c>.</param>
    /// <param name="portable">Whether to run what every GPU runs where there is a kernel of the GPU's own.</param>
    /// <returns>bfloat16 <c>[B, L, H, 128]</c>.</returns>
    public static Tensor Attend(
        Tensor q, Tensor k, Tensor v, QueryKeyTransform? transform, AttentionOptions options, (Tensor Weight, Tensor Bias) projection, bool portable = false)
    {
        using var scope = NewDisposeScope();
        Tensor queries = SageOperand.Rows(q), keys = SageOperand.Rows(k), values = SageOperand.Rows(v);
        bool hopper = !portable && Sm90SageAttentionKernel.Supports(CudaContext.Of(q.device).Architecture, options);
        Tensor? queryInverse = null, keyInverse = null, mean;
        if (transform is { } todo) (queryInverse, keyInverse, mean) = SageStatisticsKernel.Run(queries, keys, todo);
        else mean = SageQuantization.KeyMean(Heads(keys));
        SageQueriesKernel.Result left = SageQueriesKernel.Run(queries, queryInverse, transform.GetValueOrDefault(), options.QueryBlock);
        SageKeysKernel.Result right = SageKeysKernel.Run(keys, values, mean, keyInverse, transform.GetValueOrDefault(), options.KeyBlock, fp8: hopper);
        Tensor kept = Choose(left.Pooled, right.Pooled, options);
        (Tensor Mix, Tensor FeatureSums) state = SageStateKernel.Run(right.Products, right.Sums, projection.Weight);
        return (hopper ? Sm90SageAttentionKernel.Run(left, right, kept, state, projection.Bias) : AttendPortable(left, right, Heads(values), kept, options, state, projection.Bias))
            .MoveToOuterDisposeScope();
    }

    /// <summary>The kept key blocks, int32.</summary>
    /// <param name="pooledQ">bfloat16 <c>[B, H, query blocks, 128]</c>.</param>
    /// <param name="pooledK">bfloat16 <c>[B, H, key blocks, 128]</c>.</param>
    /// <param name="options">The ratio.</param>
    public static Tensor Choose(Tensor pooledQ, Tensor pooledK, AttentionOptions options)
    {
        using var scope = NewDisposeScope();
        if (!BlockTopKKernel.Supports(pooledK.shape[2])) return BlockSelection.Choose(pooledQ, pooledK, options).to_type(ScalarType.Int32).MoveToOuterDisposeScope();
        return BlockTopKKernel.Run(Scores(pooledQ, pooledK), options.KeptBlocks((int)pooledK.shape[2])).MoveToOuterDisposeScope();
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
        return (wide.matmul(state.Mix.to_type(ScalarType.Float32).transpose(-1, -2)) / normaliser + bias).transpose(1, 2).MoveToOuterDisposeScope();
    }

    private static Tensor AttendPortable(
        SageQueriesKernel.Result q, SageKeysKernel.Result k, Tensor v, Tensor kept, AttentionOptions options, (Tensor Mix, Tensor FeatureSums) state, Tensor bias)
    {
        using var scope = NewDisposeScope();
        Tensor sparse = SageSparseAttentionKernel.Run((q.Values, q.Scales), (k.Values, k.Scales), v, kept, options);
        return (sparse + AttendLinear(q.Features, state, bias)).to_type(ScalarType.BFloat16).MoveToOuterDisposeScope();
    }

    private static Tensor Heads(Tensor x) => x.unflatten(2, [-1, SageOperand.HeadDim]);
}
