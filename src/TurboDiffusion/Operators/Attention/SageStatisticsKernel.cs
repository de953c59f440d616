using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// 1 / root mean square of every token of q and k, and the mean of the normalised, rotated keys:
/// <c>native/attention/sage_statistics.cu</c>.
/// </summary>
internal static unsafe class SageStatisticsKernel
{
    private const string Name = "sage_statistics";
    private const int Threads = 256, Warps = 8, MostVectors = 6, ThreadBlocksPerMultiprocessor = 2;
    private const int VectorsOfWarp = 32 * 8;

    /// <summary>Whether the kernel can do a width: a token must fit into the registers of a warp.</summary>
    /// <param name="width">Channels of all heads.</param>
    public static bool Supports(long width) => width is > 0 and <= 32 * VectorsOfWarp;

    /// <summary>How a problem is run: every thread block of a full GPU has as many tokens as the others.</summary>
    /// <param name="size">Its sizes.</param>
    /// <param name="multiprocessors">Those of the GPU.</param>
    /// <returns>The configuration and the tokens of a thread block.</returns>
    public static (KernelConfiguration Configuration, int Chunk) Configure(SageOperand.Size size, int multiprocessors)
    {
        int vectors = (int)((size.Width + VectorsOfWarp - 1) / VectorsOfWarp), share = 1;
        while ((vectors + share - 1) / share > MostVectors) share *= 2;
        long places = (long)multiprocessors * ThreadBlocksPerMultiprocessor;
        int chunk = (int)Math.Max(Warps, (size.Batch * size.Length + places - 1) / places);
        return (new KernelConfiguration(
            new KernelProgram(Name, ("SHARE", share), ("VECTORS", (vectors + share - 1) / share)),
            new KernelLaunch((int)size.Blocks(chunk), (int)size.Batch, Threads, 0)), chunk);
    }

    /// <summary>Takes them.</summary>
    /// <param name="q">bfloat16 <c>[B, L, H·128]</c>, from <see cref="SageOperand.Rows"/>.</param>
    /// <param name="k">As q.</param>
    /// <param name="transform">Weights and rotation.</param>
    /// <returns>Float32 <c>[B, L]</c> of q and of k, and the mean of the keys, bfloat16 <c>[B, 1, H, 128]</c>.</returns>
    public static (Tensor Query, Tensor Key, Tensor KeyMean) Run(Tensor q, Tensor k, QueryKeyTransform transform)
    {
        using var scope = NewDisposeScope();
        SageOperand.Size size = SageOperand.Size.Of(q);
        IKernelDevice on = KernelDevice.Of(q.device);
        ((KernelProgram program, KernelLaunch launch), int chunk) = Configure(size, on.Multiprocessors);
        Tensor query = empty([size.Batch, size.Length], ScalarType.Float32, q.device), key = empty_like(query);
        Tensor sums = empty([size.Batch, launch.GridX, size.Width], ScalarType.Float32, q.device);
        SageOperand.Tokens queries = SageOperand.Of(q, null, transform.QueryWeight, transform),
            keys = SageOperand.Of(k, null, transform.KeyWeight, transform);
        void* queryAddress = KernelOperand.Address(query, ScalarType.Float32);
        void* keyAddress = KernelOperand.Address(key, ScalarType.Float32);
        void* sumsAddress = KernelOperand.Address(sums, ScalarType.Float32);
        int width = (int)size.Width, length = (int)size.Length;
        float eps = (float)transform.Eps, factor = 1f / length;
        void** arguments = stackalloc void*[] { &queries, &keys, &queryAddress, &keyAddress, &sumsAddress, &width, &length, &eps, &chunk,
            &factor };
        on.Launch(program, launch, arguments);
        Tensor mean = sums.sum(1).to_type(ScalarType.BFloat16).reshape(size.Batch, 1, size.Heads, SageOperand.HeadDim);
        return (query.MoveToOuterDisposeScope(), key.MoveToOuterDisposeScope(), mean.MoveToOuterDisposeScope());
    }
}
