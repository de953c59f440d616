using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>x + bias + residual in one pass, channels last: <c>native/normalization/bias_residual.cu</c>.</summary>
internal static unsafe class BiasResidualKernel
{
    private const string Name = "bias_residual";
    private const int Threads = 256, Vector = 8;

    /// <summary>What a launch depends on.</summary>
    /// <param name="Values">Values of x.</param>
    /// <param name="Channels">Channels of a pixel.</param>
    /// <param name="Dtype">Their element type.</param>
    public readonly record struct Problem(long Values, long Channels, ScalarType Dtype);

    /// <summary>Which form runs.</summary>
    /// <param name="offered">What the machine offers.</param>
    /// <param name="p">The problem.</param>
    public static KernelChoice Choose(KernelChoice offered, Problem p) => offered
        .RequireForSm90(false, offered.Reason)
        .Require(p.Dtype == ScalarType.BFloat16, "the kernel takes bfloat16")
        .Require(p.Channels > 0 && p.Channels % Vector == 0, "the kernel takes a multiple of 8 channels")
        .Require(p.Values > 0 && p.Values / Vector / Threads < int.MaxValue, "the number of values is out of the kernel's range");

    /// <summary>How a problem is run: a thread adds 8 channels of a pixel.</summary>
    /// <param name="p">The problem.</param>
    public static KernelConfiguration Configure(Problem p) =>
        new(new KernelProgram(Name), new KernelLaunch((int)((p.Values / Vector + Threads - 1) / Threads), 1, Threads, 0));

    /// <summary>Adds.</summary>
    /// <param name="x">bfloat16 <c>[T, H, W, C]</c>, contiguous, C a multiple of 8.</param>
    /// <param name="bias">Float32 <c>[C]</c>.</param>
    /// <param name="residual">As x.</param>
    /// <returns>As x.</returns>
    public static Tensor Run(Tensor x, Tensor bias, Tensor residual)
    {
        Tensor y = empty_like(x);
        (KernelProgram program, KernelLaunch launch) = Configure(new(x.numel(), x.size(-1), x.dtype));
        void* xAddress = KernelOperand.Address(x, ScalarType.BFloat16, residual.shape),
            biasAddress = KernelOperand.Address(bias, ScalarType.Float32, x.size(-1));
        void* residualAddress = KernelOperand.Address(residual, ScalarType.BFloat16, x.shape);
        void* yAddress = KernelOperand.Address(y, ScalarType.BFloat16, x.shape);
        ulong vectors = (ulong)(x.numel() / Vector);
        int ofPixel = (int)(x.size(-1) / Vector);
        void** arguments = stackalloc void*[] { &xAddress, &biasAddress, &residualAddress, &yAddress, &vectors, &ofPixel };
        KernelDevice.Of(x.device).Launch(program, launch, arguments);
        return y;
    }
}
