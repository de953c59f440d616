using TorchSharp;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Normalization;

/// <summary>The one pass on the CPU agrees with the plain form.</summary>
public class CausalRmsSiluCpuTests
{
    [Theory]
    [InlineData(1, 1, 1, 4, false, false, ScalarType.Float32)]
    [InlineData(1, 7, 5, 20, true, true, ScalarType.Float32)]
    [InlineData(4, 33, 17, 96, true, false, ScalarType.Float32)]
    [InlineData(2, 9, 11, 2048, false, true, ScalarType.Float32)]
    [InlineData(3, 64, 112, 20, true, false, ScalarType.Float32)]
    [InlineData(1, 7, 5, 12, true, true, ScalarType.BFloat16)]
    [InlineData(4, 33, 17, 20, false, true, ScalarType.BFloat16)]
    [InlineData(3, 64, 112, 40, true, false, ScalarType.BFloat16)]
    public void Windows_and_past_agree_with_the_plain_form(long frames, long height, long width, long channels, bool later,
        bool biased, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        var drawn = CausalRmsSiluCase.Draw(CPU, dtype, frames, height, width, channels, later, biased);
        (Tensor x, Tensor gamma, Tensor? bias, Tensor? past) = drawn;
        Assert.True(CausalRmsSiluCpu.Takes(x));
        (Tensor windows, Tensor next) = drawn.Exact();
        KernelConformance.PoisonMemory(CPU);
        (Tensor actual, Tensor actualNext) = CausalRmsSilu.Run(x, gamma, bias, past);
        double error = dtype == ScalarType.Float32 ? 1e-6 : 4e-3;
        Comparison.RelativeL2(windows, actual, error, "windows");
        Comparison.RelativeL2(next, actualNext, error, "past");
        Assert.Equal(dtype, actual.dtype);
        if (dtype == ScalarType.BFloat16)
            // In bfloat16 too it is rounded once: at most one unit of the last place off, where float32 stood between two.
            Comparison.Elementwise(CausalRmsSilu.RunPlain(x, gamma, bias, past).Windows.to_type(ScalarType.Float32),
                actual.to_type(ScalarType.Float32), 1.0 / 128, 1e-6, "rounded");
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void What_is_not_a_number_stays_so_in_its_pixel_and_the_windows_that_see_it(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        Tensor x = KernelConformance.Random(CPU, 1, dtype, [4, 3, 3, 8]), gamma = ones(8);
        x[1, 2, 0, 5] = float.NaN;
        Tensor lost = CausalRmsSilu.Run(x, gamma, null, null).Windows.isnan().any(3);
        for (int frame = 1; frame < 4; frame++) Assert.True(lost[frame, 2, 0].item<bool>());
        Assert.Equal(3, lost.sum().item<long>());
    }

    [Fact]
    public void With_gradients_switched_off_and_of_odd_channels_the_plain_form_runs()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones(1, 2, 2, 8);
        Assert.False(CausalRmsSiluCpu.Takes(x));
        using var noGradients = no_grad();
        Assert.True(CausalRmsSiluCpu.Takes(x));
        Assert.False(CausalRmsSiluCpu.Takes(ones(1, 2, 2, 6)));
        Assert.False(CausalRmsSiluCpu.Takes(ones(0, 2, 2, 8)));
        Assert.False(CausalRmsSiluCpu.Takes(x.to(ScalarType.Float16)));
        using (KernelSwitch.Use([])) Assert.False(CausalRmsSiluCpu.Takes(x));
    }
}
