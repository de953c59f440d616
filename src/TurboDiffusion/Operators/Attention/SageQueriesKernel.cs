using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>What sparse-linear attention needs of q, in one pass over it: <c>native/attention/sage_queries.cu</c>.</summary>
internal static unsafe class SageQueriesKernel
{
    private const string Name = "sage_queries";
    private const int MostHeads = 6, ThreadsPerToken = 4;

    /// <summary>What the kernel makes of q.</summary>
    /// <param name="Values">int8 or bfloat16 <c>[B, H, L, 128]</c></param>
    /// <param name="Scales">Of int8 values, float32 <c>[B, H, blocks]</c></param>
    /// <param name="Pooled">Means of the blocks, bfloat16 <c>[B, H, blocks, 128]</c></param>
    /// <param name="Features">softmax over the channels, bfloat16 <c>[B, H, L, 128]</c>; of no token where not asked for.</param>
    public readonly record struct Result(Tensor Values, Tensor Scales, Tensor Pooled, Tensor Features);

    /// <summary>How a problem is run: a thread block has the largest number of heads up to six that divides all.</summary>
    /// <param name="size">Its sizes.</param>
    /// <param name="block">Tokens of a block, 64 or 128.</param>
    /// <param name="normalize">Whether q comes as the projection left it.</param>
    /// <param name="element">int8 or bfloat16.</param>
    /// <param name="features">Whether the features are asked for.</param>
    public static KernelConfiguration Configure(
        SageOperand.Size size, int block, bool normalize, ScalarType element = ScalarType.Int8, bool features = true)
    {
        int heads = MostHeads;
        while (size.Heads % heads != 0) heads--;
        return new(
            new KernelProgram(Name, ("BLOCK", block), ("HEADS", heads), ("ELEMENT", SageOperand.Element(element)),
                ("FEATURES", features), ("NORMALIZE", normalize)),
            new KernelLaunch((int)size.Blocks(block), (int)size.Sequences / heads, ThreadsPerToken * block, 0));
    }

    /// <summary>Runs it.</summary>
    /// <param name="q">bfloat16 <c>[B, L, H·128]</c>, from <see cref="SageOperand.Rows"/>.</param>
    /// <param name="inverse">Float32 <c>[B, L]</c>, of <see cref="SageStatisticsKernel"/>; null where q is normalised and rotated.</param>
    /// <param name="transform">Weights and rotation; not used where there is no inverse.</param>
    /// <param name="block">Tokens of a block.</param>
    /// <param name="element">int8 or bfloat16.</param>
    /// <param name="features">Whether the features are asked for.</param>
    public static Result Run(Tensor q, Tensor? inverse, QueryKeyTransform transform, int block, ScalarType element = ScalarType.Int8,
        bool features = true)
    {
        using var scope = NewDisposeScope();
        SageOperand.Size size = SageOperand.Size.Of(q);
        (KernelProgram program, KernelLaunch launch) = Configure(size, block, inverse is not null, element, features);
        Tensor values = empty([size.Batch, size.Heads, size.Length, SageOperand.HeadDim], element, q.device);
        Tensor scales = empty([size.Batch, size.Heads, launch.GridX], ScalarType.Float32, q.device);
        Tensor pooled = empty([size.Batch, size.Heads, launch.GridX, SageOperand.HeadDim], ScalarType.BFloat16, q.device);
        Tensor phi = empty([size.Batch, size.Heads, features ? size.Length : 0, SageOperand.HeadDim], ScalarType.BFloat16, q.device);
        SageOperand.Tokens tokens = SageOperand.Of(q, inverse, inverse is null ? null : transform.QueryWeight, transform);
        void* valuesAddress = KernelOperand.Address(values, element);
        void* scalesAddress = KernelOperand.Address(scales, ScalarType.Float32);
        void* pooledAddress = KernelOperand.Address(pooled, ScalarType.BFloat16);
        void* featuresAddress = KernelOperand.Address(phi, ScalarType.BFloat16);
        int length = (int)size.Length, heads = (int)size.Heads;
        void** arguments = stackalloc void*[] { &tokens, &valuesAddress, &scalesAddress, &pooledAddress, &featuresAddress,
            &length, &heads };
        KernelDevice.Of(q.device).Launch(program, launch, arguments);
        return new Result(values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope(), pooled.MoveToOuterDisposeScope(),
            phi.MoveToOuterDisposeScope());
    }
}
