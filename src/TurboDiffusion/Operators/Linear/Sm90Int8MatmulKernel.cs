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
    /// <param name="cluster">Thread blocks that share the weights, 1 or 2; null: 2 where there are two rows of tiles.</param>
    public static KernelConfiguration Configure(Int8MatmulKernel.Problem problem, int sharedBytes, int multiprocessors, int? cluster = null)
    {
        const int stageBytes = (1 + ColumnBlocks) * Int8MatmulKernel.OperandBytes;
        int sharing = cluster ?? (BlockInt8.Blocks(problem.M) > 1 ? 2 : 1);
        int stages = Int8MatmulKernel.Stages(sharedBytes - Alignment - SentBytes, stageBytes);
        long units = (BlockInt8.Blocks(problem.M) + sharing - 1) / sharing
            * ((BlockInt8.Blocks(problem.N) + ColumnBlocks - 1) / ColumnBlocks);
        int clusters = (int)Math.Min(units, Math.Max(multiprocessors / sharing, 1));
        return new KernelConfiguration(
            new KernelProgram(Name, [.. Int8MatmulKernel.Constants(problem, stages), ("CLUSTER", sharing)]),
            new KernelLaunch(clusters * sharing, 1, Threads, stages * stageBytes + SentBytes + Alignment));
    }
}
