using System.Runtime.CompilerServices;
using TurboDiffusion.Operators.Convolution;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators;

/// <summary>What the CPU does for a launch: a step has more than a thousand, and a GPU waits where they are small.</summary>
public class LaunchCostTests
{
    private const int Launches = 200;

    [Fact]
    public void A_launch_puts_no_text_together()
    {
        using IDisposable device = KernelDevice.Substitute(new NoDevice());
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor packed = CausalConvolution.Pack(zeros([64, 64, 3, 3, 3], ScalarType.BFloat16)), bias = zeros(64);
        Tensor[] frames = [.. Enumerable.Range(0, 6).Select(_ => zeros([8, 8, 64], ScalarType.BFloat16))];
        // Seven maps of tensors. Texts of the program, the launch and the maps would be 5 KB more.
        Assert.InRange(Bytes(() => Sm90CausalConvolutionKernel.Run(frames, 4, packed, new(bias, null)).Dispose()), 1, 6000);

        (Tensor, Tensor) operand = (zeros([128, 128], ScalarType.Int8), ones(1, 1));
        Assert.InRange(
            Bytes(() => Int8MatmulKernel.Multiply(operand, operand, null, ScalarType.BFloat16, KernelForm.Sm90).Dispose()), 1, 3000);
    }

    [Fact]
    public void A_call_is_described_only_where_it_failed()
    {
        var program = new KernelProgram("k", ("A", 1), ("B", "word"), ("C", false));
        int described = 0;
        KernelProgram Described()
        {
            described++;
            return program;
        }

        Assert.Equal("", Said(0, $"launch of {Described()}"));
        Assert.Equal(0, described);
        Assert.Equal("launch of k(A=1, B=word, C=0)", Said(1, $"launch of {Described()}"));

        static string Said(int result, [InterpolatedStringHandlerArgument(nameof(result))] ref CudaCall call) =>
            result == 0 ? "" : call.End();
    }

    private static long Bytes(Action run)
    {
        run();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Launches; i++) run();
        return (GC.GetAllocatedBytesForCurrentThread() - before) / Launches;
    }

    // Compares programs, as a GPU's table of compiled kernels does, and launches nothing.
    private sealed unsafe class NoDevice : IKernelDevice
    {
        private readonly HashSet<KernelProgram> _known = [];

        public int SharedBytes => 227 << 10;

        public int Multiprocessors => 132;

        public void Launch(KernelProgram program, KernelLaunch launch, void** arguments)
        {
            _known.Add(program);
            CudaDriver.Check(0, $"launch of {program} with {launch}");
        }

        public void Describe(byte* map, TensorLayout layout) =>
            CudaDriver.Check(0, $"description of {layout.Element} [{string.Join(", ", layout.Sizes.Reverse())}]");
    }
}
