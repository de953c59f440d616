using TurboDiffusion.Operators.Normalization;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Normalization;

/// <summary>rms_silu agrees with its plain twin.</summary>
[Trait("Category", "Gpu")]
public class RmsSiluKernelTests
{
    [Theory]
    [KernelCase(1, 1, 1, 8)]
    [KernelCase(4, 7, 5, 96)]
    [KernelCase(2, 9, 11, 192)]
    [KernelCase(3, 9, 11, 512)]
    [KernelCase(8, 30, 52, 384, GpuOnly = true)]
    public void Frames_agree_with_the_plain_form(TestMachine machine, long frames, long height, long width, long channels)
    {
        using TestDevice on = TestDevice.Of(machine);
        using var scope = NewDisposeScope();
        Tensor Draw(ulong seed, params long[] shape) => KernelConformance.Random(on.Device, seed, ScalarType.BFloat16, shape);
        Tensor x = Draw(1, frames, height, width, channels) * 3,
            gamma = Draw(2, channels).to_type(ScalarType.Float32) * Math.Sqrt(channels);
        // A pixel of zeros has no direction.
        x[0, 0, 0] = 0;
        Tensor expected = stack(RmsSilu.RunPlain(x.to_type(ScalarType.Float32), gamma), 0);
        KernelConformance.PoisonMemory(on.Device);
        Tensor actual = stack(RmsSiluKernel.Run(x, gamma), 0);
        Comparison.RelativeL2(expected, actual, 4e-3, "frames");
        Comparison.Elementwise(expected, actual, 1e-2, 1e-3, "frames");
    }
}
