using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Operators.Linear;

/// <summary><see cref="Int8MatmulKernel"/> by Hopper's wgmma and TMA: <c>native/linear/sm90_int8_matmul.cu</c>.</summary>
internal static class Sm90Int8MatmulKernel
{
    private const string Name = "sm90_int8_matmul";
    private const int Threads = 384, ColumnBlocks = 2, Alignment = 1 << 10;

    // Of a row in global memory that the copy engine reads or writes.
    private const int RowAlignment = 16;

    /// <summary>Rows of the boxes in which results leave.</summary>
    public const int OutboxRows = 64;

    private const int OutboxBytes = OutboxRows * BlockInt8.BlockSize, Consumers = 2;

    /// <summary>Choices that change its speed and not its result; the head of the source says what they are.</summary>
    /// <param name="Cluster">Thread blocks that share the weights, 1 or 2.</param>
    /// <param name="Turns">Whether the warpgroups take turns.</param>
    /// <param name="PromotesByBits">Whether the sums start as the bits of a float32, or are converted.</param>
    /// <param name="Outboxes">
    /// Boxes of shared memory by way of which a warpgroup's results leave, 2 or 4; 0: straight from the registers, as do float32 results
    /// and rows that the copy engine does not write.
    /// </param>
    /// <param name="Ahead">
    /// Whether a warpgroup has its next product under way while it adds up the last one, with its activations in registers; without turns
    /// and bits.
    /// </param>
    /// <param name="Moments">
    /// Whether a product that ends in the residual stream gives the moments of its rows, where <see cref="GivesMoments"/> says that it can.
    /// </param>
    public readonly record struct Tuning(
        int Cluster, bool Turns, bool PromotesByBits, int Outboxes = 0, bool Ahead = false, bool Moments = true)
    {
        /// <summary>What a problem has whose tuning is not given; in a cluster where there are two rows of tiles.</summary>
        public static Tuning Default { get; set; } = new(2, Turns: true, PromotesByBits: false);

        /// <summary>Those that are tested and timed.</summary>
        public static IReadOnlyList<Tuning> All { get; } =
        [
            .. from outboxes in new[] { 0, 2 } from cluster in new[] { 1, 2 } from ahead in new[] { false, true }
               from turns in ahead ? new[] { false } : [false, true] select new Tuning(cluster, turns, false, outboxes, ahead),
            new(2, Turns: true, PromotesByBits: true), new(2, Turns: true, PromotesByBits: false, Outboxes: 4),
            new(2, Turns: false, PromotesByBits: false, Outboxes: 4, Ahead: true),
        ];

        /// <summary>A problem's.</summary>
        /// <param name="problem">The problem.</param>
        public static Tuning Of(Int8MatmulKernel.Problem problem) =>
            Default with { Cluster = BlockInt8.Blocks(problem.M) > 1 ? Default.Cluster : 1 };

        /// <inheritdoc/>
        public override string ToString() =>
            $"cluster {Cluster}, turns {(Turns ? 1 : 0)}, bits {(PromotesByBits ? 1 : 0)}, outboxes {Outboxes}, ahead {(Ahead ? 1 : 0)}"
            + (Moments ? "" : ", no moments");
    }

    /// <summary>Outboxes that a problem's results leave by.</summary>
    /// <param name="problem">The problem.</param>
    /// <param name="tuning">The choices.</param>
    public static int Outboxes(Int8MatmulKernel.Problem problem, Tuning tuning) => problem.Kind == Int8MatmulKernel.Epilogue.GeluQuantize
        ? problem.N % RowAlignment == 0 ? tuning.Outboxes : 0
        : problem.Output == TorchSharp.torch.ScalarType.BFloat16 ? tuning.Outboxes : 0;

    /// <summary>Whether a problem can give the moments of its result's rows.</summary>
    /// <param name="problem">The problem.</param>
    /// <param name="tuning">The choices.</param>
    public static bool GivesMoments(Int8MatmulKernel.Problem problem, Tuning tuning) =>
        tuning.Moments && problem.Kind == Int8MatmulKernel.Epilogue.GatedResidual && Outboxes(problem, tuning) > 0
            && problem.N % BlockInt8.BlockSize == 0;

    /// <summary>
    /// How a problem is run: three warpgroups, tiles of 128×256, a thread block per multiprocessor, with as deep a ring as shared
    /// memory holds; the ring begins at a multiple of 1024.
    /// </summary>
    /// <param name="problem">The problem.</param>
    /// <param name="sharedBytes">Shared memory that a thread block may have.</param>
    /// <param name="multiprocessors">Of the GPU.</param>
    /// <param name="tuning">Null is the problem's.</param>
    /// <param name="fp8">Whether the operands' bytes are e4m3: a trial, which no layer uses.</param>
    /// <param name="moments">Whether the moments of the result's rows are written, too.</param>
    public static KernelConfiguration Configure(Int8MatmulKernel.Problem problem, int sharedBytes, int multiprocessors,
        Tuning? tuning = null, bool fp8 = false, bool moments = false)
    {
        const int stageBytes = (1 + ColumnBlocks) * Int8MatmulKernel.OperandBytes;
        Tuning t = tuning ?? Tuning.Of(problem);
        int outboxes = Outboxes(problem, t), sentBytes = Consumers * outboxes * OutboxBytes;
        int stages = Int8MatmulKernel.Stages(sharedBytes - Alignment - sentBytes, stageBytes);
        long units = (BlockInt8.Blocks(problem.M) + t.Cluster - 1) / t.Cluster
            * ((BlockInt8.Blocks(problem.N) + ColumnBlocks - 1) / ColumnBlocks);
        int clusters = (int)Math.Min(units, Math.Max(multiprocessors / t.Cluster, 1));
        return new KernelConfiguration(
            new KernelProgram(Name, [.. Int8MatmulKernel.Constants(problem, stages), $"CLUSTER={t.Cluster}",
                $"TURNS={(t.Turns ? 1 : 0)}", $"PROMOTE={(t.PromotesByBits ? 1 : 0)}", $"OUTBOXES={outboxes}", $"AHEAD={(t.Ahead ? 1 : 0)}",
                $"FP8={(fp8 ? 1 : 0)}", $"MOMENTS={(moments ? 1 : 0)}"]),
            new KernelLaunch(clusters * t.Cluster, 1, Threads, stages * stageBytes + sentBytes + Alignment));
    }
}
