using TurboDiffusion.Operators.Normalization;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Normalization;

/// <summary>causal_rms_silu agrees with its plain twin.</summary>
[Trait("Category", "Gpu")]
public class CausalRmsSiluKernelTests
{
    [Theory]
    [KernelCase(1, 1, 1, 8, false, false)]
    [KernelCase(1, 7, 5, 96, false, true)]
    [KernelCase(4, 33, 17, 96, true, false)]
    [KernelCase(4, 30, 52, 384, true, true, GpuOnly = true)]
    [KernelCase(2, 9, 11, 192, true, false)]
    [KernelCase(3, 9, 11, 512, false, true)]
    public void Windows_and_past_agree_with_the_plain_form(TestMachine machine, long frames, long height, long width,
        long channels, bool later, bool biased)
    {
        using TestDevice on = TestDevice.Of(machine);
        using var scope = NewDisposeScope();
        var drawn = CausalRmsSiluCase.Draw(on.Device, ScalarType.BFloat16, frames, height, width, channels, later, biased);
        (Tensor x, Tensor gamma, Tensor? bias, Tensor? past) = drawn;
        (Tensor windows, Tensor next) = drawn.Exact();
        KernelConformance.PoisonMemory(on.Device);
        (Tensor actual, Tensor actualNext) = CausalRmsSiluKernel.Run(x, gamma, bias, past);
        Comparison.RelativeL2(windows, actual, 4e-3, "windows");
        Comparison.RelativeL2(next, actualNext, 4e-3, "past");
        Comparison.Elementwise(windows, actual, 1e-2, 1e-3, "windows");
    }
}
