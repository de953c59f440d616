using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// Quantization to int8 in 128×128 blocks, optionally after layer normalisation and modulation:
/// <c>native/linear/block_int8_quantize.cu</c>. <see cref="Sm90BlockInt8QuantizeKernel"/> reads what it normalises once.
/// </summary>
internal static unsafe class BlockInt8QuantizeKernel
{
    private const string Name = "block_int8_quantize";
    private const int Threads = 512;
    private const int Vector = 8;

    /// <summary>What a launch depends on.</summary>
    /// <param name="Rows">Rows of the matrix.</param>
    /// <param name="Columns">Columns of the matrix.</param>
    /// <param name="Dtype">Its element type.</param>
    /// <param name="Normalises">Whether it is normalised and modulated first.</param>
    public readonly record struct Problem(long Rows, long Columns, ScalarType Dtype, bool Normalises);

    /// <summary>Which form runs.</summary>
    /// <param name="offered">What the machine offers.</param>
    /// <param name="p">The problem.</param>
    public static KernelChoice Choose(KernelChoice offered, Problem p) => offered
        .Require(KernelOperand.IsElement(p.Dtype), "the kernel takes bfloat16 or float32")
        .Require(p.Rows is > 0 and < int.MaxValue && p.Columns is > 0 and < int.MaxValue && p.Columns % Vector == 0,
            "the kernel takes a multiple of 8 columns, and no empty matrix")
        .RequireForSm90(Sm90BlockInt8QuantizeKernel.Suits(p), "Hopper's own kernel normalises bfloat16, up to 6144 columns");

    /// <summary>How a problem is run.</summary>
    /// <param name="problem">The problem.</param>
    public static KernelConfiguration Configure(Problem problem) => new(
        new KernelProgram(Name, ("ELEMENT", KernelOperand.Element(problem.Dtype)), ("NORMALISE", problem.Normalises)),
        new KernelLaunch((int)BlockInt8.Blocks(problem.Rows), 1, Threads, 0));

    /// <summary>Quantizes a matrix.</summary>
    /// <param name="x"><c>[M, K]</c></param>
    /// <returns>int8 <c>[M, K]</c> and float32 scales <c>[⌈M/128⌉, ⌈K/128⌉]</c>.</returns>
    public static (Tensor Values, Tensor Scales) Run(Tensor x) =>
        Run(x, new Problem(x.size(0), x.size(1), x.dtype, Normalises: false), KernelForm.Portable, null, null, x.size(0), 0, 0);

    /// <summary>Normalises and quantizes.</summary>
    /// <param name="x"><c>[B, L, K]</c></param>
    /// <param name="norm">The normalisation.</param>
    /// <param name="form">The kernel.</param>
    /// <returns>int8 <c>[B·L, K]</c> and float32 scales <c>[⌈B·L/128⌉, ⌈K/128⌉]</c>.</returns>
    public static (Tensor Values, Tensor Scales) Run(Tensor x, Norm norm, KernelForm form)
    {
        using var scope = NewDisposeScope();
        long batch = x.size(0), length = x.size(1), columns = x.size(2);
        // Weights that are those of every token: one batch.
        if (norm.Scale.dim() == 1) (batch, length) = (1, batch * length);
        Tensor Factors(Tensor t) => t.to_type(ScalarType.Float32).reshape(batch, 1, columns).contiguous();
        Tensor factors = Factors(norm.Scale), terms = Factors(norm.Shift);
        (Tensor values, Tensor scales) = Run(x.reshape(batch * length, columns),
            new Problem(batch * length, columns, x.dtype, Normalises: true), form,
            KernelOperand.Address(factors, ScalarType.Float32, batch, 1, columns),
            KernelOperand.Address(terms, ScalarType.Float32, batch, 1, columns),
            length, (float)norm.Offset, (float)norm.Eps);
        return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }

    private static (Tensor Values, Tensor Scales) Run(
        Tensor x, Problem problem, KernelForm form, void* scale, void* shift, long rowsPerBatch, float offset, float eps)
    {
        using var scope = NewDisposeScope();
        (KernelProgram program, KernelLaunch launch) = form == KernelForm.Sm90
            ? Sm90BlockInt8QuantizeKernel.Configure(problem)
            : Configure(problem);
        Tensor input = x.contiguous();
        Tensor values = empty(problem.Rows, problem.Columns, ScalarType.Int8, x.device);
        Tensor scales = empty(BlockInt8.Blocks(problem.Rows), BlockInt8.Blocks(problem.Columns), ScalarType.Float32, x.device);
        void* source = KernelOperand.Address(input, problem.Dtype, problem.Rows, problem.Columns);
        void* valuesAddress = KernelOperand.Address(values, ScalarType.Int8),
            scalesAddress = KernelOperand.Address(scales, ScalarType.Float32);
        int rows = (int)problem.Rows, columns = (int)problem.Columns, perBatch = (int)rowsPerBatch;
        void** arguments = stackalloc void*[] { &source, &scale, &shift, &valuesAddress, &scalesAddress, &rows, &columns, &perBatch,
            &offset, &eps };
        KernelDevice.Of(x.device).Launch(program, launch, arguments);
        return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }
}
