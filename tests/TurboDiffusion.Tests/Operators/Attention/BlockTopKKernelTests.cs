using TurboDiffusion.Operators.Attention;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Attention;

/// <summary>block_top_k chooses exactly what its plain twin chooses, ties included.</summary>
public class BlockTopKKernelTests
{
    [Theory]
    [KernelCase(1, 1, 1, 1.0)]
    [KernelCase(5, 7, 3, 1.0)]
    [KernelCase(512, 256, 25, 1.0)]
    [KernelCase(33, 591, 59, 1.0)]
    [KernelCase(33, 256, 100, 0.0)]
    [KernelCase(9, 2048, 2048, 1.0)]
    [KernelCase(9, 300, 30, 1e30)]
    public void The_highest_are_chosen_and_the_earlier_of_equals(TestMachine machine, int rows, int columns, int kept, double scale)
    {
        using TestDevice on = TestDevice.Of(machine);
        Device device = on.Device;
        using var scope = NewDisposeScope();
        // Steps of 1/8: many are equal.
        Tensor scores = ((KernelConformance.Random(device, 1, ScalarType.Float32, 1, 2, rows, columns) * 8).round() / 8 * scale).to_type(
            ScalarType.BFloat16);
        KernelConformance.PoisonMemory(device);
        Tensor actual = BlockTopKKernel.Run(scores, kept);
        Assert.Equal(ScalarType.Int32, actual.dtype);
        Comparison.Exact(BlockSelection.Highest(scores, kept), actual, "indices");
    }
}
