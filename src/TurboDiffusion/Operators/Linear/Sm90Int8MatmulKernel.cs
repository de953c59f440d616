using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Operators.Linear;

/// <summary><see cref="Int8MatmulKernel"/> by Hopper's wgmma and TMA: <c>native/linear/sm90_int8_matmul.cu</c>.</summary>
internal static class Sm90Int8MatmulKernel
{
    private const string Name = "sm90_int8_matmul";
    private const int Threads = 384, ColumnBlocks = 2, Alignment = 1 << 10;

    /// <summary>Choices that change its speed and not its result; the head of the source says what they are.</summary>
    /// <param name="Cluster">Thread blocks that share the weights, 1 or 2.</param>
    /// <param name="Turns">Whether the warpgroups take turns.</param>
    /// <param name="PromotesByBits">Whether the sums start as the bits of a float32, or are converted.</param>
    public readonly record struct Tuning(int Cluster, bool Turns, bool PromotesByBits)
    {
        /// <summary>All of them.</summary>
        public static IReadOnlyList<Tuning> All { get; } =
            [.. from cluster in new[] { 1, 2 } from turns in new[] { false, true } from bits in new[] { false,
                true } select new Tuning(cluster, turns, bits)];

        /// <summary>A problem's: a cluster where there are two rows of tiles.</summary>
        /// <param name="problem">The problem.</param>
        public static Tuning Of(Int8MatmulKernel.Problem problem) =>
            new(BlockInt8.Blocks(problem.M) > 1 ? 2 : 1, Turns: true, PromotesByBits: false);
    }

    /// <summary>
    /// How a problem is run: three warpgroups, tiles of 128×256, a thread block per multiprocessor, with as deep a ring as shared
    /// memory holds; the ring begins at a multiple of 1024.
    /// </summary>
    /// <param name="problem">The problem.</param>
    /// <param name="sharedBytes">Shared memory that a thread block may have.</param>
    /// <param name="multiprocessors">Of the GPU.</param>
    /// <param name="tuning">Null is the problem's.</param>
    public static KernelConfiguration Configure(Int8MatmulKernel.Problem problem, int sharedBytes, int multiprocessors,
        Tuning? tuning = null)
    {
        const int stageBytes = (1 + ColumnBlocks) * Int8MatmulKernel.OperandBytes;
        Tuning t = tuning ?? Tuning.Of(problem);
        int stages = Int8MatmulKernel.Stages(sharedBytes - Alignment, stageBytes);
        long units = (BlockInt8.Blocks(problem.M) + t.Cluster - 1) / t.Cluster
            * ((BlockInt8.Blocks(problem.N) + ColumnBlocks - 1) / ColumnBlocks);
        int clusters = (int)Math.Min(units, Math.Max(multiprocessors / t.Cluster, 1));
        return new KernelConfiguration(
            new KernelProgram(Name, [.. Int8MatmulKernel.Constants(problem, stages), $"CLUSTER={t.Cluster}",
                $"TURNS={(t.Turns ? 1 : 0)}", $"PROMOTE={(t.PromotesByBits ? 1 : 0)}"]),
            new KernelLaunch(clusters * t.Cluster, 1, Threads, stages * stageBytes + Alignment));
    }
}
