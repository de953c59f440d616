using TurboDiffusion.Operators.Normalization;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Normalization;

/// <summary>x + bias + residual, in one pass that rounds once.</summary>
[Trait("Category", "Gpu")]
public class BiasResidualTests
{
    [Fact]
    public void The_plain_form_adds_in_float32()
    {
        using var scope = NewDisposeScope();
        // 256 + 1 is no bfloat16: rounded after each sum, the ones would be lost.
        Tensor x = full([1, 2, 2, 8], 256f).to_type(ScalarType.BFloat16), residual = ones_like(x);
        Tensor bias = tensor(new[] { 1f, 3, 5, 7, 9, 11, 13, 15 });
        Tensor sum = BiasResidual.Run(x, bias, residual);
        Assert.Equal(ScalarType.BFloat16, sum.dtype);
        Assert.Equal([258, 260, 262, 264, 266, 268, 270, 272], sum[0, 1, 1].to_type(ScalarType.Float32).data<float>().ToArray());
    }

    [Theory]
    [KernelCase(1, 1, 1, 8)]
    [KernelCase(3, 17, 9, 96)]
    public void The_kernel_agrees_with_the_plain_form(TestMachine machine, long frames, long height, long width, long channels)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        Tensor Draw(ulong seed, params long[] shape) => KernelConformance.Random(device, seed, ScalarType.BFloat16, shape);
        Tensor x = Draw(1, frames, height, width, channels), residual = Draw(2, frames, height, width, channels),
            bias = Draw(3, channels).to_type(ScalarType.Float32);
        Tensor expected = BiasResidual.RunPlain(x.to_type(ScalarType.Float32), bias, residual);
        Comparison.RelativeL2(expected, BiasResidualKernel.Run(x, bias, residual), 4e-3, "sum");
    }
}
