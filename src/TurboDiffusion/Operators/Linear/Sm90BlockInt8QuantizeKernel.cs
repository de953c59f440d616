using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// Hopper's own <see cref="BlockInt8QuantizeKernel"/>: a cluster of thread blocks holds 128 rows in shared memory, so that what is
/// normalised is read once: <c>native/linear/sm90_block_int8_quantize.cu</c>.
/// </summary>
internal static class Sm90BlockInt8QuantizeKernel
{
    private const string Name = "sm90_block_int8_quantize";
    private const int Threads = 512;

    // Two thread blocks of up to 3 column blocks fit on a multiprocessor.
    private const int LargestCluster = 8, MostColumnBlocks = 6, GoodColumnBlocks = 3,
        ColumnBlockBytes = 2 * BlockInt8.BlockSize * BlockInt8.BlockSize;

    /// <summary>Whether it does a problem.</summary>
    /// <param name="p">The problem.</param>
    public static bool Suits(BlockInt8QuantizeKernel.Problem p) =>
        p.Normalises && p.Dtype == ScalarType.BFloat16 && BlockInt8.Blocks(p.Columns) <= LargestCluster * MostColumnBlocks;

    /// <summary>How a problem is run: by as small a cluster as leaves room for a second one.</summary>
    /// <param name="problem">A problem that suits it.</param>
    public static KernelConfiguration Configure(BlockInt8QuantizeKernel.Problem problem)
    {
        int columnBlocks = (int)BlockInt8.Blocks(problem.Columns), cluster = 1;
        while (cluster < LargestCluster && cluster * GoodColumnBlocks < columnBlocks) cluster *= 2;
        int held = (columnBlocks + cluster - 1) / cluster;
        return new KernelConfiguration(new KernelProgram(Name, ("CLUSTER", cluster), ("BLOCKS", held)),
            new KernelLaunch(checked((int)BlockInt8.Blocks(problem.Rows) * cluster), 1, Threads, held * ColumnBlockBytes));
    }
}
