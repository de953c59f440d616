using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// Attention on Hopper in bfloat16 to another, short sequence, whose equal last keys are taken as one:
/// <c>native/attention/sm90_cross_attention.cu</c>.
/// </summary>
internal static unsafe class Sm90CrossAttentionKernel
{
    private const string Name = "sm90_cross_attention";
    private const int HeadDim = SageOperand.HeadDim, QueryBlock = 128, KeyBlock = 64;
    private const int Threads = 384, StageBytes = 32 << 10, QueryBytes = 2 * QueryBlock * HeadDim, Alignment = 1 << 10;

    // Times 128 queries that there is room for.
    private const int Queries = 3;

    /// <summary>Distinct keys, the one that stands for the padding among them.</summary>
    /// <remarks>
    /// On an H200, 32760 queries of 12 heads: torch to all 512 keys 0.184 ms; the kernel to 78 or 128, in two blocks, 0.090.
    /// </remarks>
    public const int MostKeys = 2 * KeyBlock;

    /// <summary>Which form runs: this kernel, or torch's.</summary>
    /// <param name="offered">What the machine offers.</param>
    /// <param name="headDim">Channels of a head.</param>
    /// <param name="dtype">The element type of q, k and v.</param>
    /// <param name="keys">Distinct keys.</param>
    public static KernelChoice Choose(KernelChoice offered, long headDim, ScalarType dtype, long keys) => offered
        .Require(offered.Form == KernelForm.Sm90, "cross-attention has a kernel for Hopper alone")
        .Require(dtype == ScalarType.BFloat16 && headDim == HeadDim, "the kernel takes bfloat16 in heads of 128 channels")
        .Require(keys <= MostKeys, "to many keys torch's attention is faster");

    /// <summary>
    /// How a problem is run: a thread block per multiprocessor, with room for all keys of a head and three times 128 of its queries.
    /// </summary>
    /// <param name="size">Sizes of the queries.</param>
    /// <param name="keys">Keys that are attended to, at most 128.</param>
    /// <param name="multiprocessors">Those of the GPU.</param>
    public static KernelConfiguration Configure(SageOperand.Size size, long keys, int multiprocessors)
    {
        int stages = (int)((keys + KeyBlock - 1) / KeyBlock);
        return new KernelConfiguration(new KernelProgram(Name, ("STAGES", stages), ("QUERIES", Queries)),
            new KernelLaunch((int)Math.Min(multiprocessors, size.Blocks(QueryBlock) * size.Sequences), 1, Threads,
                stages * StageBytes + Queries * QueryBytes + Alignment));
    }

    /// <summary>Attends.</summary>
    /// <param name="q">Queries, bfloat16 <c>[B, L, H, 128]</c>.</param>
    /// <param name="k">Keys, bfloat16 <c>[B, S, H, 128]</c>.</param>
    /// <param name="v">Values, as the keys.</param>
    /// <param name="distinct">From this row on, in 1 … S and at most 128, all keys and all values are that of the row before it.</param>
    /// <returns>bfloat16 <c>[B, L, H, 128]</c>.</returns>
    public static Tensor Run(Tensor q, Tensor k, Tensor v, long distinct)
    {
        using var scope = NewDisposeScope();
        Tensor queries = SageOperand.Rows(q.flatten(2)), keys = SageOperand.Rows(k.flatten(2)), values = SageOperand.Rows(v.flatten(2));
        SageOperand.Size size = SageOperand.Size.Of(queries), of = SageOperand.Size.Of(keys);
        IKernelDevice on = KernelDevice.Of(q.device);
        (KernelProgram program, KernelLaunch launch) = Configure(size, distinct, on.Multiprocessors);
        const int Row = sizeof(short) * HeadDim;
        Tensor y = empty([size.Batch, size.Length, size.Heads, HeadDim], ScalarType.BFloat16, q.device);
        byte* maps = stackalloc byte[3 * TensorMap.Size + TensorMap.Alignment];
        maps += TensorMap.Alignment - (long)maps % TensorMap.Alignment;
        byte* qMap = maps, kMap = maps + TensorMap.Size, vMap = kMap + TensorMap.Size;
        Describe(qMap, queries, size, QueryBlock);
        Describe(kMap, keys, of, KeyBlock);
        Describe(vMap, values, of, KeyBlock);
        void* yAddress = KernelOperand.Address(y, ScalarType.BFloat16);
        int length = (int)size.Length, heads = (int)size.Heads, rows = (int)of.Length, count = (int)distinct,
            sequences = (int)size.Sequences;
        float bonus = (float)(Math.Log(rows - distinct + 1) * Math.Sqrt(HeadDim)), factor = MathF.Log2(MathF.E) / MathF.Sqrt(HeadDim);
        void** arguments = stackalloc void*[] { qMap, kMap, vMap, &yAddress, &length, &heads, &rows, &count, &bonus, &factor,
            &sequences };
        on.Launch(program, launch, arguments);
        return y.MoveToOuterDisposeScope();

        void Describe(byte* map, Tensor x, SageOperand.Size s, int box) => TensorMap.Describe(
            on, map, SageOperand.Address(x, s), s.Batch * s.Length, s.Heads * Row, box, sizeof(short) * x.stride(1));
    }
}
