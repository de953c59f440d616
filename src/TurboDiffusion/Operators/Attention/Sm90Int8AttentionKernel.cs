using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// Attention on Hopper in 8 bits: over all keys in int8, or over chosen key blocks in int8 and fp8 with the linear branch:
/// <c>native/attention/sm90_int8_attention.cu</c>.
/// </summary>
internal static unsafe class Sm90Int8AttentionKernel
{
    private const string Name = "sm90_int8_attention";
    private const int HeadDim = SageOperand.HeadDim, QueryBlock = 64, KeyBlock = 128;
    private const int Threads = 384, Warpgroups = 2, QueryBytes = Warpgroups * QueryBlock * HeadDim, StageBytes = 32 << 10, MaxStages = 6;

    // Barriers, and what the runtime takes for itself.
    private const int StaticSharedBytes = 2 << 10, Alignment = 1 << 10;

    /// <summary>Whether block sizes suit it.</summary>
    /// <param name="queryBlock">Queries of a block.</param>
    /// <param name="keyBlock">Keys of a block.</param>
    public static bool Suits(int queryBlock, int keyBlock) => queryBlock == QueryBlock && keyBlock == KeyBlock;

    /// <summary>How a problem is run: as deep a ring as shared memory holds.</summary>
    /// <param name="size">Its sizes.</param>
    /// <param name="chosen">Whether it attends to lists of key blocks.</param>
    /// <param name="sharedBytes">Shared memory that a thread block may have.</param>
    public static KernelConfiguration Configure(SageOperand.Size size, bool chosen, int sharedBytes)
    {
        int stages = Math.Clamp((sharedBytes - StaticSharedBytes - Alignment - QueryBytes) / StageBytes, 2, MaxStages);
        return new KernelConfiguration(
            new KernelProgram(Name, ("STAGES", stages), ("CHOSEN", chosen)),
            new KernelLaunch((int)size.Blocks(Warpgroups * QueryBlock), (int)size.Sequences, Threads,
                stages * StageBytes + QueryBytes + Alignment));
    }

    /// <summary>Attends to all keys.</summary>
    /// <param name="q">Queries in blocks of 64, int8.</param>
    /// <param name="k">Keys in blocks of 128, int8, with v in int8.</param>
    /// <param name="channels">What the channels of v were divided by, float32 <c>[B, H, 128]</c>.</param>
    /// <returns>bfloat16 <c>[B, L, H, 128]</c>.</returns>
    public static Tensor Run(SageQueriesKernel.Result q, SageKeysKernel.Result k, Tensor channels) => Run(q, k, channels, null);

    /// <summary>Attends to chosen key blocks, and adds the linear branch.</summary>
    /// <param name="q">Queries in blocks of 64, int8, with their features.</param>
    /// <param name="k">Keys in blocks of 128, int8, with v in fp8.</param>
    /// <param name="kept">Indices of key blocks, int32 <c>[B, H, query blocks, kept]</c>, ascending.</param>
    /// <param name="state">
    /// The projected state, bfloat16 <c>[B, H, 128 outputs, 128 features]</c>, and the sums of features, float32 <c>[B, H, 128]</c>.
    /// </param>
    /// <param name="bias">Float32 <c>[128]</c>.</param>
    /// <returns>bfloat16 <c>[B, L, H, 128]</c>.</returns>
    public static Tensor Run(SageQueriesKernel.Result q, SageKeysKernel.Result k, Tensor kept, (Tensor Mix, Tensor FeatureSums) state,
        Tensor bias) => Run(q, k, null, new Choice(kept, state.Mix, state.FeatureSums, bias));

    private static Tensor Run(SageQueriesKernel.Result q, SageKeysKernel.Result k, Tensor? channels, Choice? choice)
    {
        long batch = q.Values.size(0), headCount = q.Values.size(1), tokens = q.Values.size(2);
        var size = new SageOperand.Size(batch, tokens, headCount);
        Device device = q.Values.device;
        IKernelDevice on = KernelDevice.Of(device);
        (KernelProgram program, KernelLaunch launch) = Configure(size, choice is not null, on.SharedBytes);
        long queryBlocks = size.Blocks(QueryBlock), keyBlocks = size.Blocks(KeyBlock), rows = size.Sequences * tokens;
        (Tensor vValues, Tensor vScales) = k.V ?? throw new ArgumentException("The kernel takes v in 8 bits.", nameof(k));
        Tensor y = empty([batch, tokens, headCount, HeadDim], ScalarType.BFloat16, device);

        byte* maps = stackalloc byte[5 * TensorMap.Size + TensorMap.Alignment];
        maps += TensorMap.Alignment - (long)maps % TensorMap.Alignment;
        byte* qMap = maps, kMap = maps + TensorMap.Size, vMap = kMap + TensorMap.Size, featureMap = vMap + TensorMap.Size,
            mixMap = featureMap + TensorMap.Size;
        TensorMap.Describe(on, qMap, KernelOperand.Address(q.Values, ScalarType.Int8, batch, headCount, tokens, HeadDim), rows, HeadDim);
        TensorMap.Describe(on, kMap, KernelOperand.Address(k.Values, ScalarType.Int8, batch, headCount, tokens, HeadDim), rows, HeadDim);
        TensorMap.Describe(on, vMap, KernelOperand.Address(vValues, ScalarType.Byte, batch, headCount, keyBlocks, HeadDim, KeyBlock),
            size.Sequences * keyBlocks * HeadDim, KeyBlock);
        void* keptAddress = null, sums = null, bias = null;
        int count = 0;
        if (choice is { } c)
        {
            TensorMap.Describe(on, featureMap, KernelOperand.Address(q.Features, ScalarType.BFloat16, batch, headCount, tokens, HeadDim),
                rows, sizeof(short) * HeadDim);
            TensorMap.Describe(on, mixMap, KernelOperand.Address(c.Mix, ScalarType.BFloat16, batch, headCount, HeadDim, HeadDim),
                size.Sequences * HeadDim, sizeof(short) * HeadDim);
            count = (int)c.Kept.size(3);
            keptAddress = KernelOperand.Address(c.Kept, ScalarType.Int32, batch, headCount, queryBlocks, count);
            sums = KernelOperand.Address(c.FeatureSums, ScalarType.Float32, batch, headCount, HeadDim);
            bias = KernelOperand.Address(c.Bias, ScalarType.Float32, HeadDim);
        }
        void* valueChannels = channels is null ? null : KernelOperand.Address(channels, ScalarType.Float32, batch, headCount, HeadDim);
        void* qScales = KernelOperand.Address(q.Scales, ScalarType.Float32, batch, headCount, queryBlocks);
        void* kScales = KernelOperand.Address(k.Scales, ScalarType.Float32, batch, headCount, keyBlocks);
        void* valueScales = KernelOperand.Address(vScales, ScalarType.Float32, batch, headCount, keyBlocks);
        void* yAddress = KernelOperand.Address(y, ScalarType.BFloat16);
        int length = (int)tokens, heads = (int)headCount;
        float factor = MathF.Log2(MathF.E) / MathF.Sqrt(HeadDim);
        void** arguments = stackalloc void*[]
        {
            qMap, kMap, vMap, featureMap, mixMap, &qScales, &kScales, &valueScales, &keptAddress, &sums, &bias, &valueChannels, &yAddress,
                &length, &heads, &count, &factor,
        };
        on.Launch(program, launch, arguments);
        return y;
    }

    private sealed record Choice(Tensor Kept, Tensor Mix, Tensor FeatureSums, Tensor Bias);
}
