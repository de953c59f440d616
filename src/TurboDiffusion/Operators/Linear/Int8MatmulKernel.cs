using System.Runtime.InteropServices;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// W8A8 matrix product in the published block format with a fused epilogue: <c>native/sm90_int8_matmul.cu</c> on Hopper,
/// <c>native/int8_matmul.cu</c> elsewhere.
/// </summary>
internal static unsafe class Int8MatmulKernel
{
    private const string HopperArchitecture = "sm_90a";
    private const int KAlignment = 16, NAlignment = 8;
    private const int OperandBytes = BlockInt8.BlockSize * BlockInt8.BlockSize;
    private const int TileBytes = BlockInt8.BlockSize * (BlockInt8.BlockSize + 8) * sizeof(float);
    private const int MaxStages = 4;

    // Barriers and partial results, and what the runtime takes for itself.
    private const int StaticSharedBytes = 2 << 10;

    // 16 rows of tiles: their activations at K = 13824 are 28 MB, which L2 holds.
    private const int Group = 16;

    /// <summary>Which source.</summary>
    public enum Variant
    {
        /// <summary>mma.sync, for every GPU from sm_80.</summary>
        Portable,

        /// <summary>wgmma and TMA.</summary>
        Hopper,
    }

    /// <summary>What is done to the sums. The numbers are those of the source.</summary>
    public enum Epilogue
    {
        /// <summary>sum + bias.</summary>
        Bias = 0,

        /// <summary>GELU(sum + bias), quantized again.</summary>
        GeluQuantize = 1,

        /// <summary>residual + gate · (sum + bias), or without a gate.</summary>
        GatedResidual = 2,
    }

    /// <summary>Choices of the Hopper source that change its speed and not its result; its head says what they are.</summary>
    /// <param name="Cluster">Thread blocks that share the weights, 1 or 2.</param>
    /// <param name="Turns">Whether the warpgroups take turns.</param>
    /// <param name="PromotesByBits">Whether the sums start as the bits of a float32, or are converted.</param>
    public readonly record struct Tuning(int Cluster, bool Turns, bool PromotesByBits)
    {
        /// <summary>All of them.</summary>
        public static IReadOnlyList<Tuning> All { get; } =
            [.. from cluster in new[] { 1, 2 } from turns in new[] { false, true } from bits in new[] { false, true } select new Tuning(cluster, turns, bits)];

        /// <summary>A problem's: a cluster where there are two rows of tiles.</summary>
        /// <param name="problem">The problem.</param>
        public static Tuning Of(Problem problem) => new(BlockInt8.Blocks(problem.M) > 1 ? 2 : 1, Turns: true, PromotesByBits: false);
    }

    /// <summary>What a launch depends on: y <c>[M, N]</c> = a <c>[M, K]</c> · b <c>[N, K]</c>ᵀ.</summary>
    /// <param name="M">Rows of activations.</param>
    /// <param name="N">Rows of weights.</param>
    /// <param name="K">Columns of both.</param>
    /// <param name="Output">The element type of y, the bias and the residual.</param>
    /// <param name="Kind">The epilogue.</param>
    public readonly record struct Problem(long M, long N, long K, ScalarType Output, Epilogue Kind)
    {
        /// <summary>Whether the kernel can do it.</summary>
        public bool IsSupported => KernelOperand.IsElement(Output) && M is > 0 and < int.MaxValue && N is > 0 and < int.MaxValue && K is > 0 and < int.MaxValue
            && K % KAlignment == 0 && N % NAlignment == 0 && BlockInt8.Blocks(M) * BlockInt8.Blocks(N) < int.MaxValue / Group;
    }

    /// <summary>How a problem is run: with as deep a ring as shared memory holds.</summary>
    /// <param name="problem">The problem.</param>
    /// <param name="variant">The source.</param>
    /// <param name="sharedBytes">Shared memory that a thread block may have.</param>
    /// <param name="multiprocessors">Of the GPU.</param>
    /// <param name="tuning">For the Hopper source; null is the problem's.</param>
    public static KernelConfiguration Configure(Problem problem, Variant variant, int sharedBytes, int multiprocessors, Tuning? tuning = null) =>
        variant == Variant.Hopper ? ConfigureHopper(problem, sharedBytes, multiprocessors, tuning ?? Tuning.Of(problem)) : ConfigurePortable(problem, sharedBytes);

    // 8 warps, tiles of 128×128, a thread block per tile. The ring becomes the tile of sums.
    private static KernelConfiguration ConfigurePortable(Problem problem, int sharedBytes)
    {
        const int stageBytes = 2 * OperandBytes;
        int stages = Stages(sharedBytes, stageBytes);
        return new KernelConfiguration(
            new KernelProgram("int8_matmul", [.. Constants(problem, stages)]),
            new KernelLaunch((int)(BlockInt8.Blocks(problem.M) * BlockInt8.Blocks(problem.N)), 1, 256, Math.Max(stages * stageBytes, TileBytes)));
    }

    // Three warpgroups, tiles of 128×256, a thread block per multiprocessor. The ring begins at a multiple of 1024.
    private static KernelConfiguration ConfigureHopper(Problem problem, int sharedBytes, int multiprocessors, Tuning tuning)
    {
        const int columnBlocks = 2, stageBytes = (1 + columnBlocks) * OperandBytes, alignment = 1 << 10;
        int stages = Stages(sharedBytes - alignment, stageBytes);
        long units = (BlockInt8.Blocks(problem.M) + tuning.Cluster - 1) / tuning.Cluster * ((BlockInt8.Blocks(problem.N) + columnBlocks - 1) / columnBlocks);
        int clusters = (int)Math.Min(units, Math.Max(multiprocessors / tuning.Cluster, 1));
        return new KernelConfiguration(
            new KernelProgram("sm90_int8_matmul", [.. Constants(problem, stages), $"CLUSTER={tuning.Cluster}",
                $"TURNS={(tuning.Turns ? 1 : 0)}", $"PROMOTE={(tuning.PromotesByBits ? 1 : 0)}"]),
            new KernelLaunch(clusters * tuning.Cluster, 1, 384, stages * stageBytes + alignment));
    }

    private static int Stages(int sharedBytes, int stageBytes) => Math.Clamp((sharedBytes - StaticSharedBytes) / stageBytes, 2, MaxStages);

    private static string[] Constants(Problem problem, int stages) =>
        [$"OUTPUT={KernelOperand.Element(problem.Output)}", $"EPILOGUE={(int)problem.Kind}", $"STAGES={stages}", $"GROUP={Group}"];

    /// <summary>The source that a device runs by default.</summary>
    /// <param name="device">A CUDA device.</param>
    public static Variant Preferred(Device device) => CudaContext.Of(device).Architecture == HopperArchitecture ? Variant.Hopper : Variant.Portable;

    /// <summary>sum + bias.</summary>
    /// <param name="a">Activations, int8 <c>[M, K]</c> and their scales.</param>
    /// <param name="b">Weights, int8 <c>[N, K]</c> and their scales.</param>
    /// <param name="bias"><c>[N]</c> in the output's dtype, or null.</param>
    /// <param name="output">bfloat16 or float32.</param>
    /// <param name="variant">The source; null is the device's.</param>
    /// <param name="tuning">For the Hopper source; null is the problem's.</param>
    /// <returns><c>[M, N]</c></returns>
    public static Tensor Multiply(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, ScalarType output, Variant? variant = null, Tuning? tuning = null)
    {
        Tensor y = empty(a.Values.shape[0], b.Values.shape[0], output, a.Values.device);
        Launch(a, b, bias, output, Epilogue.Bias, variant, tuning, new Targets { Y = KernelOperand.Address(y, output, y.shape) });
        return y;
    }

    /// <summary>GELU(sum + bias), quantized for the next product.</summary>
    /// <param name="a">Activations, int8 <c>[M, K]</c> and their scales.</param>
    /// <param name="b">Weights, int8 <c>[N, K]</c> and their scales.</param>
    /// <param name="bias"><c>[N]</c>, bfloat16 or float32.</param>
    /// <param name="variant">The source; null is the device's.</param>
    /// <param name="tuning">For the Hopper source; null is the problem's.</param>
    /// <returns>int8 <c>[M, N]</c> and its scales.</returns>
    public static (Tensor Values, Tensor Scales) MultiplyGelu(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor bias, Variant? variant = null, Tuning? tuning = null)
    {
        long m = a.Values.shape[0], n = b.Values.shape[0];
        Tensor values = empty(m, n, ScalarType.Int8, bias.device), scales = empty(BlockInt8.Blocks(m), BlockInt8.Blocks(n), ScalarType.Float32, bias.device);
        Launch(a, b, bias, bias.dtype, Epilogue.GeluQuantize, variant, tuning, new Targets
        {
            Values = KernelOperand.Address(values, ScalarType.Int8, values.shape),
            Scales = KernelOperand.Address(scales, ScalarType.Float32, scales.shape),
        });
        return (values, scales);
    }

    /// <summary>residual + gate · (sum + bias).</summary>
    /// <param name="a">Activations, int8 <c>[B·L, K]</c> and their scales.</param>
    /// <param name="b">Weights, int8 <c>[N, K]</c> and their scales.</param>
    /// <param name="bias"><c>[N]</c> in the residual's dtype, or null.</param>
    /// <param name="residual"><c>[B, L, N]</c>, bfloat16 or float32.</param>
    /// <param name="gate">Float32 <c>[B, 1, N]</c>, or null for 1.</param>
    /// <param name="variant">The source; null is the device's.</param>
    /// <param name="tuning">For the Hopper source; null is the problem's.</param>
    /// <returns><c>[B, L, N]</c></returns>
    public static Tensor MultiplyAddGated(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, Tensor residual, Tensor? gate, Variant? variant = null, Tuning? tuning = null)
    {
        using var scope = NewDisposeScope();
        Tensor added = residual.contiguous(), y = empty_like(added);
        Tensor? gates = gate?.contiguous();
        Launch(a, b, bias, residual.dtype, Epilogue.GatedResidual, variant, tuning, new Targets
        {
            Y = KernelOperand.Address(y, residual.dtype, residual.shape),
            Residual = KernelOperand.Address(added, residual.dtype, residual.shape),
            Gate = gates is null ? null : KernelOperand.Address(gates, ScalarType.Float32, residual.shape[0], 1, residual.shape[2]),
            RowsPerBatch = (int)residual.shape[1],
        });
        return y.MoveToOuterDisposeScope();
    }

    private static void Launch(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, ScalarType output, Epilogue kind,
        Variant? variant, Tuning? tuning, Targets targets)
    {
        long rows = a.Values.shape[0], columns = b.Values.shape[0], depth = a.Values.shape[1];
        Device device = a.Values.device;
        Variant source = variant ?? Preferred(device);
        CudaContext context = CudaContext.Of(device);
        (KernelProgram program, KernelLaunch launch) =
            Configure(new Problem(rows, columns, depth, output, kind), source, context.SharedBytes, context.Multiprocessors, tuning);
        void* aValues = KernelOperand.Address(a.Values, ScalarType.Int8, rows, depth), bValues = KernelOperand.Address(b.Values, ScalarType.Int8, columns, depth);
        void* aScales = KernelOperand.Address(a.Scales, ScalarType.Float32, BlockInt8.Blocks(rows), BlockInt8.Blocks(depth));
        void* bScales = KernelOperand.Address(b.Scales, ScalarType.Float32, BlockInt8.Blocks(columns), BlockInt8.Blocks(depth));
        targets.Bias = bias is null ? null : KernelOperand.Address(bias, output, columns);
        int m = (int)rows, n = (int)columns, k = (int)depth;
        void* left = &aValues, right = &bValues;
        if (source == Variant.Hopper)
        {
            byte* maps = stackalloc byte[2 * TensorMap.Size + TensorMap.Alignment];
            maps += TensorMap.Alignment - (long)maps % TensorMap.Alignment;
            TensorMap.Describe(maps, aValues, rows, depth);
            TensorMap.Describe(maps + TensorMap.Size, bValues, columns, depth);
            left = maps;
            right = maps + TensorMap.Size;
        }
        void** arguments = stackalloc void*[] { left, &aScales, right, &bScales, &targets, &m, &n, &k };
        KernelFunction.Of(device, program).Launch(launch, arguments);
    }

    // struct Epilogue of the source.
    [StructLayout(LayoutKind.Sequential)]
    private struct Targets
    {
        public void* Bias, Y, Values, Scales, Residual, Gate;
        public int RowsPerBatch;
    }
}
