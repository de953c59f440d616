using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>Both branches of sparse-linear attention on Hopper, in bfloat16: <c>native/attention/sm90_sla_attention.cu</c>.</summary>
internal static unsafe class Sm90SlaAttentionKernel
{
    private const string Name = "sm90_sla_attention";
    private const int HeadDim = SageOperand.HeadDim, QueryBlock = 128, KeyBlock = 64;
    private const int Threads = 384, StageBytes = 32 << 10, QueryBytes = 2 * QueryBlock * HeadDim, MaxStages = 6;

    // Barriers, and what the runtime takes for itself.
    private const int StaticSharedBytes = 2 << 10, Alignment = 1 << 10;

    /// <summary>Whether block sizes suit it.</summary>
    /// <param name="queryBlock">Queries of a block.</param>
    /// <param name="keyBlock">Keys of a block.</param>
    public static bool Suits(int queryBlock, int keyBlock) => queryBlock == QueryBlock && keyBlock == KeyBlock;

    /// <summary>How a problem is run: as deep a ring as shared memory holds.</summary>
    /// <param name="size">Its sizes.</param>
    /// <param name="sharedBytes">Shared memory that a thread block may have.</param>
    public static KernelConfiguration Configure(SageOperand.Size size, int sharedBytes)
    {
        int stages = Math.Clamp((sharedBytes - StaticSharedBytes - Alignment - QueryBytes) / StageBytes, 2, MaxStages);
        return new KernelConfiguration(new KernelProgram(Name, ("STAGES", stages)),
            new KernelLaunch((int)size.Blocks(QueryBlock), (int)size.Sequences, Threads, stages * StageBytes + QueryBytes + Alignment));
    }

    /// <summary>Attends.</summary>
    /// <param name="q">Queries in blocks of 128, bfloat16.</param>
    /// <param name="k">Keys in blocks of 64, bfloat16.</param>
    /// <param name="v">Values, bfloat16 <c>[B, L, H·128]</c>, from <see cref="SageOperand.Rows"/>.</param>
    /// <param name="kept">Indices of key blocks, int32 <c>[B, H, query blocks, kept]</c>, ascending.</param>
    /// <param name="state">
    /// The projected state, bfloat16 <c>[B, H, 128 outputs, 128 features]</c>, and the sums of features, float32 <c>[B, H, 128]</c>.
    /// </param>
    /// <param name="bias">Float32 <c>[128]</c>.</param>
    /// <returns>bfloat16 <c>[B, L, H, 128]</c>.</returns>
    public static Tensor Run(SageQueriesKernel.Result q, SageKeysKernel.Result k, Tensor v, Tensor kept,
        (Tensor Mix, Tensor FeatureSums) state, Tensor bias)
    {
        SageOperand.Size size = SageOperand.Size.Of(v);
        Device device = v.device;
        IKernelDevice on = KernelDevice.Of(device);
        (KernelProgram program, KernelLaunch launch) = Configure(size, on.SharedBytes);
        long batch = size.Batch, tokens = size.Length, headCount = size.Heads, rows = size.Sequences * tokens;
        const int Row = sizeof(short) * HeadDim;
        Tensor y = empty([batch, tokens, headCount, HeadDim], ScalarType.BFloat16, device);

        byte* maps = stackalloc byte[5 * TensorMap.Size + TensorMap.Alignment];
        maps += TensorMap.Alignment - (long)maps % TensorMap.Alignment;
        byte* qMap = maps, kMap = maps + TensorMap.Size, vMap = kMap + TensorMap.Size, featureMap = vMap + TensorMap.Size,
            mixMap = featureMap + TensorMap.Size;
        TensorMap.Describe(on, qMap, KernelOperand.Address(q.Values, ScalarType.BFloat16, batch, headCount, tokens, HeadDim), rows, Row);
        TensorMap.Describe(on, kMap, KernelOperand.Address(k.Values, ScalarType.BFloat16, batch, headCount, tokens, HeadDim), rows, Row,
            KeyBlock);
        TensorMap.Describe(on, vMap, SageOperand.Address(v, size), batch * tokens, headCount * Row, KeyBlock,
            sizeof(short) * v.stride(1));
        TensorMap.Describe(on, featureMap, KernelOperand.Address(q.Features, ScalarType.BFloat16, batch, headCount, tokens, HeadDim), rows,
            Row);
        TensorMap.Describe(on, mixMap, KernelOperand.Address(state.Mix, ScalarType.BFloat16, batch, headCount, HeadDim, HeadDim),
            size.Sequences * HeadDim, Row);
        void* keptAddress = KernelOperand.Address(kept, ScalarType.Int32, batch, headCount, launch.GridX, kept.size(3));
        void* sums = KernelOperand.Address(state.FeatureSums, ScalarType.Float32, batch, headCount, HeadDim);
        void* biasAddress = KernelOperand.Address(bias, ScalarType.Float32, HeadDim);
        void* yAddress = KernelOperand.Address(y, ScalarType.BFloat16);
        int length = (int)tokens, heads = (int)headCount, count = (int)kept.size(3);
        float factor = MathF.Log2(MathF.E) / MathF.Sqrt(HeadDim);
        void** arguments = stackalloc void*[]
        {
            qMap, kMap, vMap, featureMap, mixMap, &keptAddress, &sums, &biasAddress, &yAddress, &length, &heads, &count, &factor,
        };
        on.Launch(program, launch, arguments);
        return y;
    }
}
