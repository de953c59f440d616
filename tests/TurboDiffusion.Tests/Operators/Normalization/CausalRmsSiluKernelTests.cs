using TurboDiffusion.Operators.Normalization;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Normalization;

/// <summary>causal_rms_silu agrees with its plain twin.</summary>
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
        Device device = on.Device;
        using var scope = NewDisposeScope();
        Tensor Draw(ulong seed, params long[] shape) => KernelConformance.Random(device, seed, ScalarType.BFloat16, shape);
        Tensor x = Draw(1, frames, height, width, channels) * 3,
            gamma = Draw(2, channels).to_type(ScalarType.Float32) * Math.Sqrt(channels);
        Tensor? past = later ? Draw(3, 2, height, width, channels) : null, bias = biased
            ? Draw(4, channels).to_type(ScalarType.Float32)
            : null;
        // A pixel of zeros has no direction.
        x[0, 0, 0] = 0;
        (Tensor windows, Tensor next) = CausalRmsSilu.RunPlain(x.to_type(ScalarType.Float32), gamma, bias,
            past?.to_type(ScalarType.Float32));
        KernelConformance.PoisonMemory(device);
        (Tensor actual, Tensor actualNext) = CausalRmsSiluKernel.Run(x, gamma, bias, past);
        Comparison.RelativeL2(windows, actual, 4e-3, "windows");
        Comparison.RelativeL2(next, actualNext, 4e-3, "past");
        Comparison.Elementwise(windows, actual, 1e-2, 1e-3, "windows");
    }
}
