using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>Both branches of sparse-linear attention on Hopper, in int8, fp8 and bfloat16: <c>native/sm90_sage_attention.cu</c>.</summary>
internal static unsafe class Sm90SageAttentionKernel
{
    private const string Name = "sm90_sage_attention";
    private const int HeadDim = SageOperand.HeadDim, QueryBlock = 64, KeyBlock = 128;
    private const int Threads = 384, Warpgroups = 2, StageBytes = 2 * KeyBlock * HeadDim, MaxStages = 6;

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
        const int Queries = Warpgroups * QueryBlock * HeadDim;
        int stages = Math.Clamp((sharedBytes - StaticSharedBytes - Alignment - Queries) / StageBytes, 2, MaxStages);
        return new KernelConfiguration(new KernelProgram(Name, $"STAGES={stages}"),
            new KernelLaunch((int)size.Blocks(Warpgroups * QueryBlock), (int)size.Sequences, Threads,
                stages * StageBytes + Queries + Alignment));
    }

    /// <summary>Attends.</summary>
    /// <param name="q">Queries in blocks of 64.</param>
    /// <param name="k">Keys in blocks of 128, with v in fp8.</param>
    /// <param name="kept">Indices of key blocks, int32 <c>[B, H, query blocks, kept]</c>, ascending.</param>
    /// <param name="state">
    /// The projected state, bfloat16 <c>[B, H, 128 outputs, 128 features]</c>, and the sums of features, float32 <c>[B, H, 128]</c>.
    /// </param>
    /// <param name="bias">Float32 <c>[128]</c>.</param>
    /// <returns>bfloat16 <c>[B, L, H, 128]</c>.</returns>
    public static Tensor Run(SageQueriesKernel.Result q, SageKeysKernel.Result k, Tensor kept, (Tensor Mix, Tensor FeatureSums) state,
        Tensor bias)
    {
        long batch = q.Values.shape[0], headCount = q.Values.shape[1], tokens = q.Values.shape[2];
        var size = new SageOperand.Size(batch, tokens, headCount);
        Device device = q.Values.device;
        IKernelDevice on = KernelDevice.Of(device);
        (KernelProgram program, KernelLaunch launch) = Configure(size, on.SharedBytes);
        long queryBlocks = size.Blocks(QueryBlock), keyBlocks = size.Blocks(KeyBlock), rows = size.Sequences * tokens;
        (Tensor vValues, Tensor vScales) = k.V ?? throw new ArgumentException("The kernel takes v in fp8.", nameof(k));
        Tensor y = empty([batch, tokens, headCount, HeadDim], ScalarType.BFloat16, device);

        byte* maps = stackalloc byte[5 * TensorMap.Size + TensorMap.Alignment];
        maps += TensorMap.Alignment - (long)maps % TensorMap.Alignment;
        byte* qMap = maps, kMap = maps + TensorMap.Size, vMap = kMap + TensorMap.Size, featureMap = vMap + TensorMap.Size,
            mixMap = featureMap + TensorMap.Size;
        TensorMap.Describe(on, qMap, KernelOperand.Address(q.Values, ScalarType.Int8, batch, headCount, tokens, HeadDim), rows, HeadDim);
        TensorMap.Describe(on, kMap, KernelOperand.Address(k.Values, ScalarType.Int8, batch, headCount, tokens, HeadDim), rows, HeadDim);
        TensorMap.Describe(on, vMap, KernelOperand.Address(vValues, ScalarType.Byte, batch, headCount, keyBlocks, HeadDim, KeyBlock),
            size.Sequences * keyBlocks * HeadDim, KeyBlock);
        TensorMap.Describe(on, featureMap, KernelOperand.Address(q.Features, ScalarType.BFloat16, batch, headCount, tokens, HeadDim), rows,
            2 * HeadDim);
        TensorMap.Describe(on, mixMap, KernelOperand.Address(state.Mix, ScalarType.BFloat16, batch, headCount, HeadDim, HeadDim),
            size.Sequences * HeadDim, 2 * HeadDim);
        void* qScales = KernelOperand.Address(q.Scales, ScalarType.Float32, batch, headCount, queryBlocks);
        void* kScales = KernelOperand.Address(k.Scales, ScalarType.Float32, batch, headCount, keyBlocks);
        void* valueScales = KernelOperand.Address(vScales, ScalarType.Float32, batch, headCount, keyBlocks);
        void* keptAddress = KernelOperand.Address(kept, ScalarType.Int32, batch, headCount, queryBlocks, kept.shape[3]);
        void* sums = KernelOperand.Address(state.FeatureSums, ScalarType.Float32, batch, headCount, HeadDim);
        void* biasAddress = KernelOperand.Address(bias, ScalarType.Float32, HeadDim);
        void* yAddress = KernelOperand.Address(y, ScalarType.BFloat16, y.shape);
        int length = (int)tokens, heads = (int)headCount, count = (int)kept.shape[3];
        float factor = MathF.Log2(MathF.E) / MathF.Sqrt(HeadDim);
        void** arguments = stackalloc void*[]
        {
            qMap, kMap, vMap, featureMap, mixMap, &qScales, &kScales, &valueScales, &keptAddress, &sums, &biasAddress, &yAddress, &length,
                &heads, &count, &factor,
        };
        on.Launch(program, launch, arguments);
        return y;
    }
}
