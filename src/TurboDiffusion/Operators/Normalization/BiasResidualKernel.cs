using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>x + bias + residual in one pass, channels last: <c>native/normalization/bias_residual.cu</c>.</summary>
internal static unsafe class BiasResidualKernel
{
    private const string Name = "bias_residual";
    private const int Threads = 256, Vector = 8;

    /// <summary>How a problem is run.</summary>
    /// <param name="values">Values of x.</param>
    public static KernelConfiguration Configure(long values) =>
        new(new KernelProgram(Name), new KernelLaunch(checked((int)((values / Vector + Threads - 1) / Threads)), 1, Threads, 0));

    /// <summary>Adds.</summary>
    /// <param name="x">bfloat16 <c>[T, H, W, C]</c>, contiguous, C a multiple of 8.</param>
    /// <param name="bias">Float32 <c>[C]</c>.</param>
    /// <param name="residual">As x.</param>
    /// <returns>As x.</returns>
    public static Tensor Run(Tensor x, Tensor bias, Tensor residual)
    {
        Tensor y = empty_like(x);
        (KernelProgram program, KernelLaunch launch) = Configure(x.numel());
        void* xAddress = KernelOperand.Address(x, ScalarType.BFloat16, residual.shape),
            biasAddress = KernelOperand.Address(bias, ScalarType.Float32, x.shape[^1]);
        void* residualAddress = KernelOperand.Address(residual, ScalarType.BFloat16, x.shape);
        void* yAddress = KernelOperand.Address(y, ScalarType.BFloat16, x.shape);
        ulong vectors = (ulong)(x.numel() / Vector);
        int ofPixel = (int)(x.shape[^1] / Vector);
        void** arguments = stackalloc void*[] { &xAddress, &biasAddress, &residualAddress, &yAddress, &vectors, &ofPixel };
        KernelDevice.Of(x.device).Launch(program, launch, arguments);
        return y;
    }
}
