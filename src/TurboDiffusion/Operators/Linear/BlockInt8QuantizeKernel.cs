using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// Quantization to int8 in 128×128 blocks, optionally after layer normalisation and modulation:
/// <c>native/block_int8_quantize.cu</c>, and <c>sm90_block_int8_quantize.cu</c>, which reads what it normalises once.
/// </summary>
internal static unsafe class BlockInt8QuantizeKernel
{
    private const string Name = "block_int8_quantize", HopperName = "sm90_block_int8_quantize", HopperArchitecture = "sm_90a";
    private const int Threads = 512;
    private const int Vector = 8;

    // On Hopper, a cluster of thread blocks holds 128 rows in shared memory. Two thread blocks of up to 3 column blocks fit on a multiprocessor.
    private const int LargestCluster = 8, MostColumnBlocks = 6, GoodColumnBlocks = 3, ColumnBlockBytes = 2 * BlockInt8.BlockSize * BlockInt8.BlockSize;

    /// <summary>What a launch depends on.</summary>
    /// <param name="Rows">Rows of the matrix.</param>
    /// <param name="Columns">Columns of the matrix.</param>
    /// <param name="Dtype">Its element type.</param>
    /// <param name="Normalises">Whether it is normalised and modulated first.</param>
    public readonly record struct Problem(long Rows, long Columns, ScalarType Dtype, bool Normalises)
    {
        /// <summary>Whether the kernel can do it.</summary>
        public bool IsSupported => KernelOperand.IsElement(Dtype) && Rows is > 0 and < int.MaxValue && Columns is > 0 and < int.MaxValue && Columns % Vector == 0;

        /// <summary>Whether Hopper's own kernel can do it.</summary>
        public bool SuitsHopper => IsSupported && Normalises && Dtype == ScalarType.BFloat16 && BlockInt8.Blocks(Columns) <= LargestCluster * MostColumnBlocks;
    }

    /// <summary>How a problem is run.</summary>
    /// <param name="problem">The problem.</param>
    public static KernelConfiguration Configure(Problem problem) => new(
        new KernelProgram(Name, $"ELEMENT={KernelOperand.Element(problem.Dtype)}", $"NORMALISE={(problem.Normalises ? 1 : 0)}"),
        new KernelLaunch((int)BlockInt8.Blocks(problem.Rows), 1, Threads, 0));

    /// <summary>How a problem is run by Hopper's own kernel: by as small a cluster as leaves room for a second one.</summary>
    /// <param name="problem">A problem that suits it.</param>
    public static KernelConfiguration ConfigureHopper(Problem problem)
    {
        int columnBlocks = (int)BlockInt8.Blocks(problem.Columns), cluster = 1;
        while (cluster < LargestCluster && cluster * GoodColumnBlocks < columnBlocks) cluster *= 2;
        int held = (columnBlocks + cluster - 1) / cluster;
        return new KernelConfiguration(new KernelProgram(HopperName, $"CLUSTER={cluster}", $"BLOCKS={held}"),
            new KernelLaunch(checked((int)BlockInt8.Blocks(problem.Rows) * cluster), 1, Threads, held * ColumnBlockBytes));
    }

    /// <summary>Quantizes a matrix.</summary>
    /// <param name="x"><c>[M, K]</c></param>
    /// <returns>int8 <c>[M, K]</c> and float32 scales <c>[⌈M/128⌉, ⌈K/128⌉]</c>.</returns>
    public static (Tensor Values, Tensor Scales) Run(Tensor x) =>
        Run(x, new Problem(x.shape[0], x.shape[1], x.dtype, Normalises: false), null, null, x.shape[0], 0, 0, portable: true);

    /// <summary>Quantizes LN(x)·(offset + scale) + shift.</summary>
    /// <param name="x"><c>[B, L, K]</c></param>
    /// <param name="scale">Float32, <c>[B, 1, K]</c>.</param>
    /// <param name="shift">Float32, <c>[B, 1, K]</c>.</param>
    /// <param name="offset">1 for a modulation, 0 for affine weights.</param>
    /// <param name="eps">ε of the normalisation.</param>
    /// <param name="portable">Whether to run what every GPU runs where there is a kernel of the GPU's own.</param>
    /// <returns>int8 <c>[B·L, K]</c> and float32 scales <c>[⌈B·L/128⌉, ⌈K/128⌉]</c>.</returns>
    public static (Tensor Values, Tensor Scales) Run(Tensor x, Tensor scale, Tensor shift, double offset, double eps, bool portable = false)
    {
        using var scope = NewDisposeScope();
        long batch = x.shape[0], length = x.shape[1], columns = x.shape[2];
        Tensor factors = scale.contiguous(), terms = shift.contiguous();
        (Tensor values, Tensor scales) = Run(x.reshape(batch * length, columns), new Problem(batch * length, columns, x.dtype, Normalises: true),
            KernelOperand.Address(factors, ScalarType.Float32, batch, 1, columns), KernelOperand.Address(terms, ScalarType.Float32, batch, 1, columns),
            length, (float)offset, (float)eps, portable);
        return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }

    private static (Tensor Values, Tensor Scales) Run(Tensor x, Problem problem, void* scale, void* shift, long rowsPerBatch, float offset, float eps, bool portable)
    {
        using var scope = NewDisposeScope();
        bool hopper = !portable && problem.SuitsHopper && CudaContext.Of(x.device).Architecture == HopperArchitecture;
        (KernelProgram program, KernelLaunch launch) = hopper ? ConfigureHopper(problem) : Configure(problem);
        Tensor input = x.contiguous();
        Tensor values = empty(problem.Rows, problem.Columns, ScalarType.Int8, x.device);
        Tensor scales = empty(BlockInt8.Blocks(problem.Rows), BlockInt8.Blocks(problem.Columns), ScalarType.Float32, x.device);
        void* source = KernelOperand.Address(input, problem.Dtype, problem.Rows, problem.Columns);
        void* valuesAddress = KernelOperand.Address(values, ScalarType.Int8, values.shape), scalesAddress = KernelOperand.Address(scales, ScalarType.Float32, scales.shape);
        int rows = (int)problem.Rows, columns = (int)problem.Columns, perBatch = (int)rowsPerBatch;
        void** arguments = stackalloc void*[] { &source, &scale, &shift, &valuesAddress, &scalesAddress, &rows, &columns, &perBatch, &offset, &eps };
        KernelFunction.Of(x.device, program).Launch(launch, arguments);
        return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }
}
