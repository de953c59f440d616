using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Attention;

/// <summary>sm90_cross_attention against attention in float32 to all keys, those of the padding one by one.</summary>
public class Sm90CrossAttentionKernelTests
{
    [Theory]
    [KernelCase(1, 1, 1, 1, 1)]
    [KernelCase(1, 130, 2, 512, 31)]
    [KernelCase(2, 200, 2, 512, 64)]
    [KernelCase(1, 1500, 2, 512, 78)]
    [KernelCase(3, 90, 4, 96, 96)]
    [KernelCase(2, 100, 2, 512, 65)]
    [KernelCase(1, 64, 1, 128, 128)]
    [KernelCase(1, 32760, 12, 512, 78, GpuOnly = true)]
    public void Equal_keys_may_be_taken_as_one(TestMachine machine, int batch, int length, int heads, int keys, int distinct)
    {
        using TestDevice on = TestDevice.Of(machine, KernelForm.Sm90);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor q = Draw(1, length) * 2, k = Padded(Draw(2, keys)), v = Padded(Draw(3, keys));
        Tensor expected = DenseAttention.Attend(Wide(q), Wide(k), Wide(v));
        KernelConformance.PoisonMemory(on.Device);
        Comparison.RelativeL2(expected, Sm90CrossAttentionKernel.Run(q, k, v, distinct), 5e-3,
            $"{keys} keys, {distinct} of them distinct");

        Tensor Draw(ulong seed, long rows) => KernelConformance.Random(on.Device, seed, ScalarType.BFloat16, batch, rows, heads, 128);
        Tensor Padded(Tensor x) =>
            cat([x.narrow(1, 0, distinct), x.narrow(1, distinct - 1, 1).expand(-1, keys - distinct, -1, -1)], 1);
    }

    [Fact]
    [Trait("Category", "Gpu")]
    public void The_launch_has_the_registers_that_the_warpgroups_claim()
    {
        Device device = KernelConformance.RequireSm90();
        (KernelProgram program, KernelLaunch launch) = Sm90CrossAttentionKernel.Configure(new(1, 1000, 1), 78, 132);
        KernelFunction function = KernelFunction.Of(CudaContext.Of(device), program);
        Assert.Equal(0, function.LocalBytes);
        // kProducerRegisters and kConsumerRegisters of the source.
        Assert.True(function.Registers * launch.Threads >= 40 * 128 + 232 * 256, $"{function.Registers} registers");
    }

    private static Tensor Wide(Tensor x) => x.to_type(ScalarType.Float32);
}
