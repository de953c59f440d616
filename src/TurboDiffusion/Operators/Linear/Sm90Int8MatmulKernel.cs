using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary><see cref="Int8MatmulKernel"/> by Hopper's wgmma and TMA: <c>native/linear/sm90_int8_matmul.cu</c>.</summary>
internal static class Sm90Int8MatmulKernel
{
    private const string Name = "sm90_int8_matmul";
    private const int Threads = 384, ColumnBlocks = 2, Alignment = 1 << 10;

    // Of a row in global memory that the copy engine reads or writes.
    private const int RowAlignment = 16;

    /// <summary>Rows of the boxes of shared memory by way of which results leave.</summary>
    public const int OutboxRows = 64;

    // Of two warpgroups, two boxes each.
    private const int SentBytes = 2 * 2 * OutboxRows * BlockInt8.BlockSize;

    /// <summary>Choices that change its speed and not its result; the head of the source says what they are.</summary>
    /// <param name="Cluster">Thread blocks that share the weights, 1 or 2.</param>
    /// <param name="Prefetch">Whether activations are in registers before the product before them ends.</param>
    public readonly record struct Tuning(int Cluster, bool Prefetch)
    {
        /// <summary>What a problem has whose tuning is not given; in a cluster where there are two rows of tiles.</summary>
        public static Tuning Default { get; set; } = new(2, Prefetch: false);

        /// <summary>Those that are tested and timed.</summary>
        public static IReadOnlyList<Tuning> All { get; } =
            [.. from prefetch in new[] { false, true } from cluster in new[] { 1, 2 } select new Tuning(cluster, prefetch)];

        /// <summary>A problem's.</summary>
        /// <param name="problem">The problem.</param>
        public static Tuning Of(Int8MatmulKernel.Problem problem) =>
            Default with { Cluster = BlockInt8.Blocks(problem.M) > 1 ? Default.Cluster : 1 };

        /// <inheritdoc/>
        public override string ToString() => $"cluster {Cluster}, prefetch {(Prefetch ? 1 : 0)}";
    }

    /// <summary>Whether it does a problem: bfloat16, and rows of results that the copy engine writes.</summary>
    /// <param name="p">The problem.</param>
    public static bool Suits(Int8MatmulKernel.Problem p) => p.Output == ScalarType.BFloat16
        && p.N * (p.Kind == Int8MatmulKernel.Epilogue.GeluQuantize ? 1 : ScalarTypes.Bytes(p.Output)) % RowAlignment == 0;

    /// <summary>
    /// How a problem is run: three warpgroups, tiles of 128×256, a thread block per multiprocessor, with as deep a ring as shared
    /// memory holds; the ring begins at a multiple of 1024.
    /// </summary>
    /// <param name="problem">The problem.</param>
    /// <param name="sharedBytes">Shared memory that a thread block may have.</param>
    /// <param name="multiprocessors">Of the GPU.</param>
    /// <param name="tuning">Null is the problem's.</param>
    /// <param name="fp8">Whether the operands' bytes are e4m3: a trial, which no layer uses.</param>
    public static KernelConfiguration Configure(Int8MatmulKernel.Problem problem, int sharedBytes, int multiprocessors,
        Tuning? tuning = null, bool fp8 = false)
    {
        const int stageBytes = (1 + ColumnBlocks) * Int8MatmulKernel.OperandBytes;
        Tuning t = tuning ?? Tuning.Of(problem);
        int stages = Int8MatmulKernel.Stages(sharedBytes - Alignment - SentBytes, stageBytes);
        long units = (BlockInt8.Blocks(problem.M) + t.Cluster - 1) / t.Cluster
            * ((BlockInt8.Blocks(problem.N) + ColumnBlocks - 1) / ColumnBlocks);
        int clusters = (int)Math.Min(units, Math.Max(multiprocessors / t.Cluster, 1));
        return new KernelConfiguration(
            new KernelProgram(Name, [.. Int8MatmulKernel.Constants(problem, stages), $"CLUSTER={t.Cluster}",
                $"PREFETCH={(t.Prefetch ? 1 : 0)}", $"FP8={(fp8 ? 1 : 0)}"]),
            new KernelLaunch(clusters * t.Cluster, 1, Threads, stages * stageBytes + SentBytes + Alignment));
    }
}
