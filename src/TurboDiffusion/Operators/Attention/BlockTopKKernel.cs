using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// The key blocks of the highest scores of each row, ascending; of equal scores the earlier: <c>native/attention/block_top_k.cu</c>.
/// </summary>
internal static unsafe class BlockTopKKernel
{
    private const string Name = "block_top_k";
    private const int Threads = 128, Warp = 32;

    // A row's scores lie in the registers of a warp.
    private const int MaxColumns = 64 * Warp;

    /// <summary>Whether the kernel can do a number of key blocks.</summary>
    /// <param name="columns">Key blocks.</param>
    public static bool Supports(long columns) => columns is > 0 and <= MaxColumns;

    /// <summary>How a problem is run; few programs serve all sizes.</summary>
    /// <param name="rows">Rows of scores.</param>
    /// <param name="columns">Key blocks.</param>
    public static KernelConfiguration Configure(long rows, long columns) => new(
        new KernelProgram(Name, ("ITEMS", Items(columns))),
        new KernelLaunch((int)((rows + Threads / Warp - 1) / (Threads / Warp)), 1, Threads, 0));

    /// <summary>Scores of a lane: few numbers for all columns.</summary>
    /// <param name="columns">Key blocks.</param>
    public static int Items(long columns)
    {
        int items = (int)((columns + Warp - 1) / Warp);
        return items <= 8 ? 8 : (items + 15) / 16 * 16;
    }

    /// <summary>Chooses.</summary>
    /// <param name="scores">bfloat16 <c>[B, H, query blocks, key blocks]</c>.</param>
    /// <param name="kept">How many to keep.</param>
    /// <returns>int32 <c>[B, H, query blocks, kept]</c></returns>
    public static Tensor Run(Tensor scores, int kept)
    {
        using var scope = NewDisposeScope();
        long[] shape = scores.shape;
        long rows = shape[0] * shape[1] * shape[2];
        (KernelProgram program, KernelLaunch launch) = Configure(rows, shape[3]);
        Tensor input = scores.contiguous(), indices = empty([shape[0], shape[1], shape[2], kept], ScalarType.Int32, scores.device);
        void* source = KernelOperand.Address(input, ScalarType.BFloat16, shape),
            target = KernelOperand.Address(indices, ScalarType.Int32);
        int rowCount = (int)rows, columns = (int)shape[3], count = kept;
        void** arguments = stackalloc void*[] { &source, &target, &rowCount, &columns, &count };
        KernelDevice.Of(scores.device).Launch(program, launch, arguments);
        return indices.MoveToOuterDisposeScope();
    }
}
