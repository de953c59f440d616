using System.Runtime.InteropServices;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>What sparse-linear attention needs of k and v, in one pass over them: <c>native/attention/sage_keys.cu</c>.</summary>
internal static unsafe class SageKeysKernel
{
    private const string Name = "sage_keys";
    private const int Threads = 512;
    private const int MaxBlocksPerChunk = 24;

    // The sums of the warps, and what the runtime takes for itself.
    private const int StaticSharedBytes = 11 << 10;

    /// <summary>What the kernel makes of k and v.</summary>
    /// <param name="Values">k − mean, int8 <c>[B, H, L, 128]</c>; or k, bfloat16.</param>
    /// <param name="Scales">Of int8 values, float32 <c>[B, H, blocks]</c></param>
    /// <param name="Pooled">Means of the blocks of k − mean, bfloat16 <c>[B, H, blocks, 128]</c></param>
    /// <param name="Products">Parts of Σ φ(k)ᵀ·v, float32 <c>[B, H, chunks, 128, 128]</c>; no parts where not asked for.</param>
    /// <param name="Sums">Parts of Σ φ(k), float32 <c>[B, H, chunks, 128]</c></param>
    /// <param name="V">
    /// v in fp8 or int8, bytes <c>[B, H, blocks, 128 channels, 128 tokens]</c>, in each 16 tokens in the order 0 1 8 9 2 3 10 11 …; zeros
    /// past the end; and its scales, float32 <c>[B, H, blocks]</c>. Null where not asked for.
    /// </param>
    public readonly record struct Result(Tensor Values, Tensor Scales, Tensor Pooled, Tensor Products, Tensor Sums,
        (Tensor Values, Tensor Scales)? V);

    /// <summary>
    /// How a problem is run: a chunk of blocks per thread block, so that there is one for each multiprocessor where there are
    /// few heads, and that the parts of the state stay few where there are many.
    /// </summary>
    /// <param name="size">Its sizes.</param>
    /// <param name="block">Tokens of a block, 64 or 128.</param>
    /// <param name="normalize">Whether k comes as the projection left it.</param>
    /// <param name="values">Whether v in fp8 is asked for, or in int8.</param>
    /// <param name="multiprocessors">Those of the GPU.</param>
    /// <param name="sharedBytes">Shared memory that a thread block may have.</param>
    /// <param name="element">Of the keys: int8 or bfloat16.</param>
    /// <param name="state">Whether the state is asked for.</param>
    /// <param name="int8Values">Whether v is asked for in int8.</param>
    /// <returns>The configuration and the blocks of a chunk.</returns>
    public static (KernelConfiguration Configuration, int BlocksPerChunk) Configure(
        SageOperand.Size size, int block, bool normalize, bool values, int multiprocessors, int sharedBytes,
        ScalarType element = ScalarType.Int8, bool state = true, bool int8Values = false)
    {
        long blocks = size.Blocks(block), tile = 2L * SageOperand.HeadDim * block;
        int perChunk = (int)Math.Clamp((blocks * size.Sequences + multiprocessors - 1) / multiprocessors, 1, MaxBlocksPerChunk);
        int valueTiles = 3 * tile + StaticSharedBytes <= sharedBytes ? 2 : 1;
        return (new KernelConfiguration(
            new KernelProgram(Name, ("BLOCK", block), ("VALUE_TILES", valueTiles), ("VALUES", int8Values ? 2 : values ? 1 : 0),
                ("ELEMENT", SageOperand.Element(element)), ("STATE", state), ("NORMALIZE", normalize)),
            new KernelLaunch((int)((blocks + perChunk - 1) / perChunk), (int)size.Sequences, Threads, (int)((1 + valueTiles) * tile))),
                perChunk);
    }

    /// <summary>Runs it.</summary>
    /// <param name="k">bfloat16 <c>[B, L, H·128]</c>, from <see cref="SageOperand.Rows"/>.</param>
    /// <param name="v">As k.</param>
    /// <param name="mean">The mean of the keys over the sequence, bfloat16 <c>[B, 1, H, 128]</c>.</param>
    /// <param name="inverse">Float32 <c>[B, L]</c>, of <see cref="SageStatisticsKernel"/>; null where k is normalised and rotated.</param>
    /// <param name="transform">Weights and rotation; not used where there is no inverse.</param>
    /// <param name="block">Tokens of a block.</param>
    /// <param name="fp8">Whether v in fp8 is asked for; for blocks of 128.</param>
    /// <param name="element">Of the keys: int8 or bfloat16.</param>
    /// <param name="state">Whether the state of the linear branch is asked for.</param>
    /// <param name="channels">
    /// The largest magnitude of each channel of v, float32 <c>[B, H, 128]</c>: v is asked for in int8, its channels divided by that. Null:
    /// it is not.
    /// </param>
    public static Result Run(
        Tensor k, Tensor v, Tensor mean, Tensor? inverse, QueryKeyTransform transform, int block, bool fp8,
        ScalarType element = ScalarType.Int8, bool state = true, Tensor? channels = null)
    {
        using var scope = NewDisposeScope();
        SageOperand.Size size = SageOperand.Size.Of(k);
        IKernelDevice on = KernelDevice.Of(k.device);
        ((KernelProgram program, KernelLaunch launch), int blocksPerChunk) =
            Configure(size, block, inverse is not null, fp8, on.Multiprocessors, on.SharedBytes, element, state,
                channels is not null);
        long batch = size.Batch, headCount = size.Heads, blocks = size.Blocks(block);
        const int HeadDim = SageOperand.HeadDim;
        Tensor values = empty([batch, headCount, size.Length, HeadDim], element, k.device);
        Tensor scales = empty([batch, headCount, blocks], ScalarType.Float32, k.device);
        Tensor pooled = empty([batch, headCount, blocks, HeadDim], ScalarType.BFloat16, k.device);
        long parts = state ? launch.GridX : 0;
        Tensor products = empty([batch, headCount, parts, HeadDim, HeadDim], ScalarType.Float32, k.device);
        Tensor sums = empty([batch, headCount, parts, HeadDim], ScalarType.Float32, k.device);
        (Tensor Values, Tensor Scales)? quantized = fp8 || channels is not null
            ? (empty([batch, headCount, blocks, HeadDim, block], ScalarType.Byte, k.device), empty_like(scales))
            : null;

        SageOperand.Tokens tokens = SageOperand.Of(k, inverse, inverse is null ? null : transform.KeyWeight, transform);
        void* meanAddress = KernelOperand.Address(mean, ScalarType.BFloat16, batch, 1, headCount, HeadDim);
        var keys = new KeyTargets
        {
            Values = KernelOperand.Address(values, element),
            Scales = KernelOperand.Address(scales, ScalarType.Float32),
            Pooled = KernelOperand.Address(pooled, ScalarType.BFloat16),
        };
        var source = new ValueOperand
        {
            X = SageOperand.Address(v, size),
            Values = quantized is { } q ? KernelOperand.Address(q.Values, ScalarType.Byte) : null,
            Scales = quantized is { } s ? KernelOperand.Address(s.Scales, ScalarType.Float32, scales.shape) : null,
            Channels = channels is null ? null : KernelOperand.Address(channels, ScalarType.Float32, batch, headCount, HeadDim),
            Stride = (int)v.stride(1),
        };
        var targets = new StateTargets
        {
            Products = KernelOperand.Address(products, ScalarType.Float32),
            Sums = KernelOperand.Address(sums, ScalarType.Float32),
        };
        int length = (int)size.Length, heads = (int)headCount;
        void** arguments = stackalloc void*[] { &tokens, &meanAddress, &keys, &source, &targets, &length, &heads, &blocksPerChunk };
        on.Launch(program, launch, arguments);
        return new Result(
            values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope(), pooled.MoveToOuterDisposeScope(),
            products.MoveToOuterDisposeScope(), sums.MoveToOuterDisposeScope(),
            quantized is { } made ? (made.Values.MoveToOuterDisposeScope(), made.Scales.MoveToOuterDisposeScope()) : null);
    }

    // struct Keys of the source.
    [StructLayout(LayoutKind.Sequential)]
    private struct KeyTargets
    {
        public void* Values, Scales, Pooled;
    }

    // struct Values of the source.
    [StructLayout(LayoutKind.Sequential)]
    private struct ValueOperand
    {
        public void* X, Values, Scales, Channels;
        public int Stride;
    }

    // struct State of the source.
    [StructLayout(LayoutKind.Sequential)]
    private struct StateTargets
    {
        public void* Products, Sums;
    }
}
