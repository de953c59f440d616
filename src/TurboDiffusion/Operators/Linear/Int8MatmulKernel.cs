using System.Runtime.InteropServices;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// W8A8 matrix product in the published block format with a fused epilogue, on every GPU from sm_80: <c>native/linear/int8_matmul.cu</c>;
/// <see cref="Sm90Int8MatmulKernel"/> on Hopper.
/// </summary>
internal static unsafe class Int8MatmulKernel
{
    /// <summary>Bytes of a block of operands.</summary>
    public const int OperandBytes = BlockInt8.BlockSize * BlockInt8.BlockSize;

    private const string Name = "int8_matmul";
    private const int KAlignment = 16, NAlignment = 8;
    private const int TileBytes = BlockInt8.BlockSize * (BlockInt8.BlockSize + 8) * sizeof(float);
    private const int Threads = 256, MaxStages = 4;

    // Barriers and partial results, and what the runtime takes for itself.
    private const int StaticSharedBytes = 2 << 10;

    // 16 rows of tiles: their activations at K = 13824 are 28 MB, which L2 holds.
    private const int Group = 16;

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

    /// <summary>What a launch depends on: y <c>[M, N]</c> = a <c>[M, K]</c> · b <c>[N, K]</c>ᵀ.</summary>
    /// <param name="M">Rows of activations.</param>
    /// <param name="N">Rows of weights.</param>
    /// <param name="K">Columns of both.</param>
    /// <param name="Output">The element type of y, the bias and the residual.</param>
    /// <param name="Kind">The epilogue.</param>
    public readonly record struct Problem(long M, long N, long K, ScalarType Output, Epilogue Kind);

    /// <summary>Which form runs.</summary>
    /// <param name="offered">What the machine offers.</param>
    /// <param name="p">The problem.</param>
    public static KernelChoice Choose(KernelChoice offered, Problem p) => offered
        .Require(KernelOperand.IsElement(p.Output), "the kernel gives bfloat16 or float32")
        .Require(p.K is > 0 and < int.MaxValue && p.K % KAlignment == 0 && p.N is > 0 and < int.MaxValue && p.N % NAlignment == 0,
            "the kernel takes a multiple of 16 input features and of 8 output features")
        .Require(p.M is > 0 and < int.MaxValue && BlockInt8.Blocks(p.M) * BlockInt8.Blocks(p.N) < int.MaxValue / Group,
            "the number of rows is out of the kernel's range")
        .RequireForSm90(Sm90Int8MatmulKernel.Suits(p), "Hopper's own kernel gives bfloat16, or a multiple of 16 features in int8");

    /// <summary>
    /// How a problem is run: 8 warps a tile of 128×128, with as deep a ring as shared memory holds, which becomes the tile of sums.
    /// </summary>
    /// <param name="problem">The problem.</param>
    /// <param name="sharedBytes">Shared memory that a thread block may have.</param>
    public static KernelConfiguration Configure(Problem problem, int sharedBytes)
    {
        const int stageBytes = 2 * OperandBytes;
        int stages = Stages(sharedBytes, stageBytes);
        return new KernelConfiguration(new KernelProgram(Name, Constants(problem, stages)),
            new KernelLaunch((int)(BlockInt8.Blocks(problem.M) * BlockInt8.Blocks(problem.N)), 1, Threads,
                Math.Max(stages * stageBytes, TileBytes)));
    }

    /// <summary>Stages of a ring.</summary>
    /// <param name="sharedBytes">Shared memory that it may have.</param>
    /// <param name="stageBytes">Bytes of a stage.</param>
    public static int Stages(int sharedBytes, int stageBytes) => Math.Clamp((sharedBytes - StaticSharedBytes) / stageBytes, 2, MaxStages);

    /// <summary>The constants that both sources take.</summary>
    /// <param name="problem">The problem.</param>
    /// <param name="stages">Of the ring.</param>
    public static KernelConstant[] Constants(Problem problem, int stages) =>
        [("OUTPUT", KernelOperand.Element(problem.Output)), ("EPILOGUE", (int)problem.Kind), ("STAGES", stages), ("GROUP", Group)];

    /// <summary>sum + bias.</summary>
    /// <param name="a">Activations, int8 <c>[M, K]</c> and their scales.</param>
    /// <param name="b">Weights, int8 <c>[N, K]</c> and their scales.</param>
    /// <param name="bias"><c>[N]</c> in the output's dtype, or null.</param>
    /// <param name="output">bfloat16 or float32.</param>
    /// <param name="form">The kernel.</param>
    /// <param name="cluster">For Hopper's own: thread blocks that share the weights; null: as it chooses.</param>
    /// <returns><c>[M, N]</c></returns>
    public static Tensor Multiply(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, ScalarType output, KernelForm form,
        int? cluster = null)
    {
        Tensor y = empty(a.Values.size(0), b.Values.size(0), output, a.Values.device);
        Launch(a, b, bias, output, Epilogue.Bias, form, cluster,
            new Targets { Y = KernelOperand.Address(y, output) });
        return y;
    }

    /// <summary>GELU(sum + bias), quantized for the next product.</summary>
    /// <param name="a">Activations, int8 <c>[M, K]</c> and their scales.</param>
    /// <param name="b">Weights, int8 <c>[N, K]</c> and their scales.</param>
    /// <param name="bias"><c>[N]</c> in that dtype, or null.</param>
    /// <param name="dtype">The bias' dtype, bfloat16 or float32.</param>
    /// <param name="form">The kernel.</param>
    /// <param name="cluster">For Hopper's own: thread blocks that share the weights; null: as it chooses.</param>
    /// <returns>int8 <c>[M, N]</c> and its scales.</returns>
    public static (Tensor Values, Tensor Scales) MultiplyGelu(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, ScalarType dtype, KernelForm form,
        int? cluster = null)
    {
        long m = a.Values.size(0), n = b.Values.size(0);
        Device device = a.Values.device;
        Tensor values = empty(m, n, ScalarType.Int8, device),
            scales = empty(BlockInt8.Blocks(m), BlockInt8.Blocks(n), ScalarType.Float32, device);
        Launch(a, b, bias, dtype, Epilogue.GeluQuantize, form, cluster, new Targets
        {
            Values = KernelOperand.Address(values, ScalarType.Int8),
            Scales = KernelOperand.Address(scales, ScalarType.Float32),
        });
        return (values, scales);
    }

    /// <summary>residual + gate · (sum + bias).</summary>
    /// <param name="a">Activations, int8 <c>[B·L, K]</c> and their scales.</param>
    /// <param name="b">Weights, int8 <c>[N, K]</c> and their scales.</param>
    /// <param name="bias"><c>[N]</c> in the residual's dtype, or null.</param>
    /// <param name="residual"><c>[B, L, N]</c>, bfloat16 or float32.</param>
    /// <param name="gate">Float32 <c>[B, 1, N]</c>, or null for 1.</param>
    /// <param name="form">The kernel.</param>
    /// <param name="cluster">For Hopper's own: thread blocks that share the weights; null: as it chooses.</param>
    /// <returns><c>[B, L, N]</c></returns>
    public static Tensor MultiplyAdd(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, Tensor residual, Tensor? gate, KernelForm form,
        int? cluster = null)
    {
        using var scope = NewDisposeScope();
        Tensor added = residual.contiguous(), y = empty_like(added);
        Tensor? gates = gate?.contiguous();
        Launch(a, b, bias, residual.dtype, Epilogue.GatedResidual, form, cluster, new Targets
        {
            Y = KernelOperand.Address(y, residual.dtype, residual.shape),
            Residual = KernelOperand.Address(added, residual.dtype, residual.shape),
            Gate = gates is null ? null : KernelOperand.Address(gates, ScalarType.Float32, residual.size(0), 1, residual.size(2)),
            RowsPerBatch = (int)residual.size(1),
        });
        return y.MoveToOuterDisposeScope();
    }

    private static void Launch(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, ScalarType output, Epilogue kind,
        KernelForm form, int? cluster, Targets targets)
    {
        long rows = a.Values.size(0), columns = b.Values.size(0), depth = a.Values.size(1);
        Device device = a.Values.device;
        IKernelDevice on = KernelDevice.Of(device);
        var problem = new Problem(rows, columns, depth, output, kind);
        (KernelProgram program, KernelLaunch launch) = form == KernelForm.Sm90
            ? Sm90Int8MatmulKernel.Configure(problem, on.SharedBytes, on.Multiprocessors, cluster)
            : Configure(problem, on.SharedBytes);
        void* aValues = KernelOperand.Address(a.Values, ScalarType.Int8, rows, depth),
            bValues = KernelOperand.Address(b.Values, ScalarType.Int8, columns, depth);
        void* aScales = KernelOperand.Address(a.Scales, ScalarType.Float32, BlockInt8.Blocks(rows), BlockInt8.Blocks(depth));
        void* bScales = KernelOperand.Address(b.Scales, ScalarType.Float32, BlockInt8.Blocks(columns), BlockInt8.Blocks(depth));
        targets.Bias = bias is null ? null : KernelOperand.Address(bias, output, columns);
        int m = (int)rows, n = (int)columns, k = (int)depth;
        if (form != KernelForm.Sm90)
        {
            void** plain = stackalloc void*[] { &aValues, &aScales, &bValues, &bScales, &targets, &m, &n, &k };
            on.Launch(program, launch, plain);
            return;
        }
        byte* maps = stackalloc byte[4 * TensorMap.Size + TensorMap.Alignment];
        maps += TensorMap.Alignment - (long)maps % TensorMap.Alignment;
        byte* aMap = maps, bMap = aMap + TensorMap.Size, resultMap = bMap + TensorMap.Size, residualMap = resultMap + TensorMap.Size;
        TensorMap.Describe(on, aMap, aValues, rows, depth);
        TensorMap.Describe(on, bMap, bValues, columns, depth);
        long rowBytes = kind == Epilogue.GeluQuantize ? columns : columns * ScalarTypes.Bytes(output);
        TensorMap.Describe(on, resultMap, kind == Epilogue.GeluQuantize ? targets.Values : targets.Y, rows, rowBytes,
            Sm90Int8MatmulKernel.OutboxRows);
        // With another epilogue the kernel does not look at it.
        if (kind == Epilogue.GatedResidual) TensorMap.Describe(on, residualMap, targets.Residual, rows, rowBytes);
        void** arguments = stackalloc void*[] { aMap, &aScales, bMap, &bScales, resultMap, residualMap, &targets, &m, &n, &k };
        on.Launch(program, launch, arguments);
    }

    // struct Epilogue of the source.
    [StructLayout(LayoutKind.Sequential)]
    private struct Targets
    {
        public void* Bias, Y, Values, Scales, Residual, Gate;
        public int RowsPerBatch;
    }
}
