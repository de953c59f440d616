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

    // Two thread blocks of up to 3 column blocks fit on a multiprocessor, or one with room for twice as many rows.
    private const int LargestCluster = 8, MostColumnBlocks = 6, GoodColumnBlocks = 3,
        ColumnBlockBytes = 2 * BlockInt8.BlockSize * BlockInt8.BlockSize;

    /// <summary>Stages that a thread block of few column blocks has: 2, or 1.</summary>
    public const int DefaultStages = 2;

    /// <summary>Whether it does a problem.</summary>
    /// <param name="p">The problem.</param>
    public static bool Suits(BlockInt8QuantizeKernel.Problem p) =>
        p.Normalises && p.Dtype == ScalarType.BFloat16 && BlockInt8.Blocks(p.Columns) <= LargestCluster * MostColumnBlocks;

    /// <summary>
    /// How a problem is run: by as small a cluster as leaves room for the next rows, or for a second thread block; with that room every
    /// cluster takes as many rows as the others.
    /// </summary>
    /// <param name="problem">A problem that suits it.</param>
    /// <param name="multiprocessors">Those of the GPU.</param>
    /// <param name="stages">Rows that there is room for: 1 or 2 times 128.</param>
    public static KernelConfiguration Configure(BlockInt8QuantizeKernel.Problem problem, int multiprocessors, int stages = DefaultStages)
    {
        int columnBlocks = (int)BlockInt8.Blocks(problem.Columns), rowBlocks = (int)BlockInt8.Blocks(problem.Rows), cluster = 1;
        while (cluster < LargestCluster && cluster * GoodColumnBlocks < columnBlocks) cluster *= 2;
        int held = (columnBlocks + cluster - 1) / cluster, clusters = rowBlocks;
        if (held > GoodColumnBlocks) stages = 1;
        if (stages > 1)
        {
            // Groups of multiprocessors are not all of a size that clusters fill: one that finds no place at once would double the time.
            int atOnce = Math.Max(1, (multiprocessors - 1) / cluster), rounds = (rowBlocks + atOnce - 1) / atOnce;
            clusters = (rowBlocks + rounds - 1) / rounds;
        }
        return new KernelConfiguration(new KernelProgram(Name, $"CLUSTER={cluster}", $"BLOCKS={held}", $"STAGES={stages}"),
            new KernelLaunch(checked(clusters * cluster), 1, Threads, stages * held * ColumnBlockBytes));
    }
}
