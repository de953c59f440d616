using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// Softmax attention over chosen key blocks, q·kᵀ in int8, P·V in bfloat16:
/// <c>native/attention/sage_sparse_attention.cu</c>.
/// </summary>
internal static unsafe class SageSparseAttentionKernel
{
    private const string Name = "sage_sparse_attention";
    private const int HeadDim = 128;
    private const int WarpRows = 16, Warp = 32, Stages = 2;

    /// <summary>What a launch depends on.</summary>
    /// <param name="Length">Tokens of a sequence.</param>
    /// <param name="Sequences">Sequences times heads.</param>
    /// <param name="HeadDim">Channels of a head.</param>
    /// <param name="QueryBlock">Queries of a block.</param>
    /// <param name="KeyBlock">Keys of a block.</param>
    /// <param name="Dtype">The element type of v.</param>
    public readonly record struct Problem(long Length, long Sequences, long HeadDim, int QueryBlock, int KeyBlock, ScalarType Dtype);

    /// <summary>How a problem is run.</summary>
    /// <param name="problem">The problem.</param>
    public static KernelConfiguration Configure(Problem problem) => new(
        new KernelProgram(Name, ("QUERY_BLOCK", problem.QueryBlock), ("KEY_BLOCK", problem.KeyBlock)),
        new KernelLaunch((int)((problem.Length + problem.QueryBlock - 1) / problem.QueryBlock), (int)problem.Sequences,
            problem.QueryBlock / WarpRows * Warp, Stages * 3 * problem.KeyBlock * HeadDim));

    /// <summary>Attends.</summary>
    /// <param name="q">int8 <c>[B, H, L, 128]</c> and float32 scales <c>[B, H, query blocks]</c>.</param>
    /// <param name="k">int8 <c>[B, H, L, 128]</c> and float32 scales <c>[B, H, key blocks]</c>.</param>
    /// <param name="v">bfloat16 <c>[B, L, H, 128]</c>.</param>
    /// <param name="kept">Indices of key blocks <c>[B, H, query blocks, kept]</c>, int32, each at most once.</param>
    /// <param name="options">Block sizes.</param>
    /// <returns>Float32 <c>[B, L, H, 128]</c>.</returns>
    public static Tensor Run((Tensor Values, Tensor Scales) q, (Tensor Values, Tensor Scales) k, Tensor v, Tensor kept,
        AttentionOptions options)
    {
        using var scope = NewDisposeScope();
        long batch = v.size(0), tokens = v.size(1), headCount = v.size(2);
        (KernelProgram program, KernelLaunch launch) =
            Configure(new Problem(tokens, batch * headCount, v.size(3), options.QueryBlock, options.KeyBlock, v.dtype));
        Tensor y = empty([batch, tokens, headCount, HeadDim], ScalarType.Float32, v.device);
        // Held until the launch is queued.
        Tensor queries = q.Values.contiguous(), keys = k.Values.contiguous(), values = v.contiguous(), blocks = kept.contiguous();
        long keyBlocks = (tokens + options.KeyBlock - 1) / options.KeyBlock, keptBlocks = kept.size(3);
        void* qValues = KernelOperand.Address(queries, ScalarType.Int8, batch, headCount, tokens, HeadDim);
        void* kValues = KernelOperand.Address(keys, ScalarType.Int8, batch, headCount, tokens, HeadDim);
        void* qScales = KernelOperand.Address(q.Scales, ScalarType.Float32, batch, headCount, launch.GridX);
        void* kScales = KernelOperand.Address(k.Scales, ScalarType.Float32, batch, headCount, keyBlocks);
        void* vAddress = KernelOperand.Address(values, ScalarType.BFloat16, batch, tokens, headCount, HeadDim);
        void* keptAddress = KernelOperand.Address(blocks, ScalarType.Int32, batch, headCount, launch.GridX, keptBlocks);
        void* yAddress = KernelOperand.Address(y, ScalarType.Float32);
        int length = (int)tokens, heads = (int)headCount, count = (int)keptBlocks;
        float factor = 1 / MathF.Sqrt(HeadDim);
        void** arguments = stackalloc void*[] { &qValues, &qScales, &kValues, &kScales, &vAddress, &keptAddress, &yAddress, &length, &heads,
            &count, &factor };
        KernelDevice.Of(v.device).Launch(program, launch, arguments);
        return y.MoveToOuterDisposeScope();
    }
}
