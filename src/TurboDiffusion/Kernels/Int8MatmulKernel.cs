using System.Runtime.InteropServices;
using TurboDiffusion.Kernels.Compilation;
using TurboDiffusion.Kernels.Cuda;
using TurboDiffusion.Quantization;
using static TorchSharp.torch;

namespace TurboDiffusion.Kernels;

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

        /// <summary>residual + gate · (sum + bias).</summary>
        GatedResidual = 2,
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

    /// <summary>How a problem is run: as deep a ring as shared memory holds.</summary>
    /// <param name="problem">The problem.</param>
    /// <param name="variant">The source.</param>
    /// <param name="sharedBytes">Shared memory that a thread block may have.</param>
    public static KernelConfiguration Configure(Problem problem, Variant variant, int sharedBytes)
    {
        // Portable: 8 warps, tiles of 128×128. Hopper: 8 warps and that of the copies, tiles of 128×256, and the ring aligned.
        (string name, int threads, int columnBlocks, int alignment) = variant == Variant.Hopper ? ("sm90_int8_matmul", 288, 2, 1 << 10) : ("int8_matmul", 256, 1, 0);
        int stageBytes = (1 + columnBlocks) * OperandBytes;
        int stages = Math.Clamp((sharedBytes - StaticSharedBytes - alignment) / stageBytes, 2, MaxStages);
        long tiles = BlockInt8.Blocks(problem.M) * ((BlockInt8.Blocks(problem.N) + columnBlocks - 1) / columnBlocks);
        return new KernelConfiguration(
            new KernelProgram(name, $"OUTPUT={KernelOperand.Element(problem.Output)}", $"EPILOGUE={(int)problem.Kind}", $"STAGES={stages}", $"GROUP={Group}"),
            new KernelLaunch((int)tiles, 1, threads, Math.Max(stages * stageBytes, columnBlocks * TileBytes) + alignment));
    }

    /// <summary>The source that a device runs by default.</summary>
    /// <param name="device">A CUDA device.</param>
    public static Variant Preferred(Device device) => CudaContext.Of(device).Architecture == HopperArchitecture ? Variant.Hopper : Variant.Portable;

    /// <summary>sum + bias.</summary>
    /// <param name="a">Activations, int8 <c>[M, K]</c> and their scales.</param>
    /// <param name="b">Weights, int8 <c>[N, K]</c> and their scales.</param>
    /// <param name="bias"><c>[N]</c> in the output's dtype, or null.</param>
    /// <param name="output">bfloat16 or float32.</param>
    /// <param name="variant">The source; null is the device's.</param>
    /// <returns><c>[M, N]</c></returns>
    public static Tensor Multiply(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, ScalarType output, Variant? variant = null)
    {
        Tensor y = empty(a.Values.shape[0], b.Values.shape[0], output, a.Values.device);
        Launch(a, b, bias, output, Epilogue.Bias, variant, new Targets { Y = KernelOperand.Address(y, output, y.shape) });
        return y;
    }

    /// <summary>GELU(sum + bias), quantized for the next product.</summary>
    /// <param name="a">Activations, int8 <c>[M, K]</c> and their scales.</param>
    /// <param name="b">Weights, int8 <c>[N, K]</c> and their scales.</param>
    /// <param name="bias"><c>[N]</c>, bfloat16 or float32.</param>
    /// <param name="variant">The source; null is the device's.</param>
    /// <returns>int8 <c>[M, N]</c> and its scales.</returns>
    public static (Tensor Values, Tensor Scales) MultiplyGelu(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor bias, Variant? variant = null)
    {
        long m = a.Values.shape[0], n = b.Values.shape[0];
        Tensor values = empty(m, n, ScalarType.Int8, bias.device), scales = empty(BlockInt8.Blocks(m), BlockInt8.Blocks(n), ScalarType.Float32, bias.device);
        Launch(a, b, bias, bias.dtype, Epilogue.GeluQuantize, variant, new Targets
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
    /// <param name="gate">Float32 <c>[B, 1, N]</c>.</param>
    /// <param name="variant">The source; null is the device's.</param>
    /// <returns><c>[B, L, N]</c></returns>
    public static Tensor MultiplyAddGated(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, Tensor residual, Tensor gate, Variant? variant = null)
    {
        using var scope = NewDisposeScope();
        Tensor added = residual.contiguous(), gates = gate.contiguous(), y = empty_like(added);
        Launch(a, b, bias, residual.dtype, Epilogue.GatedResidual, variant, new Targets
        {
            Y = KernelOperand.Address(y, residual.dtype, residual.shape),
            Residual = KernelOperand.Address(added, residual.dtype, residual.shape),
            Gate = KernelOperand.Address(gates, ScalarType.Float32, residual.shape[0], 1, residual.shape[2]),
            RowsPerBatch = (int)residual.shape[1],
        });
        return y.MoveToOuterDisposeScope();
    }

    private static void Launch(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, ScalarType output, Epilogue kind,
        Variant? variant, Targets targets)
    {
        long rows = a.Values.shape[0], columns = b.Values.shape[0], depth = a.Values.shape[1];
        Device device = a.Values.device;
        Variant source = variant ?? Preferred(device);
        (KernelProgram program, KernelLaunch launch) = Configure(new Problem(rows, columns, depth, output, kind), source, CudaContext.Of(device).SharedBytes);
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
