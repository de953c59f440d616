using TorchSharp;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

public class FrameConv2dTests
{
    [Theory]
    [InlineData(3, 12)]
    [InlineData(8, 8)]
    [InlineData(12, 24)]
    [InlineData(24, 3)]
    [InlineData(24, 24)]
    [InlineData(32, 16)]
    public void Output_and_gradients_are_those_of_a_matrix_product_whatever_the_memory_held_before(int inChannels, int outChannels)
    {
        for (int round = 0; round < 4; round++)
        {
            using var scope = NewDisposeScope();
            using var conv = new FrameConv2d(inChannels, outChannels, 3, new Placement(CPU, ScalarType.Float32), padding: 1);
            var (weight, bias) = (conv.get_parameter("weight")!, conv.get_parameter("bias")!);
            foreach (Tensor parameter in new[] { weight, bias }) parameter.normal_().requires_grad = true;
            Tensor input = randn([3, inChannels, 8, 9], requires_grad: true), upstream = randn([3, outChannels, 8, 9]);

            LeaveNaN();
            Tensor output = conv.forward(input);
            LeaveNaN();
            Tensor[] gradients = [.. autograd.grad([output], [input, weight, bias], [upstream])];

            Tensor columns = nn.functional.unfold(input, 3, padding: 1);
            Tensor product = (matmul(weight.reshape(outChannels, -1), columns) + bias.unsqueeze(-1)).reshape(3, outChannels, 8, 9);
            Tensor[] expected = [.. autograd.grad([product], [input, weight, bias], [upstream])];
            Comparison.Elementwise(product, output, 1e-3, 1e-4, "output");
            foreach ((Tensor e, Tensor g, string name) in expected.Zip(gradients, ["input", "weight", "bias"]))
                Comparison.Elementwise(e, g, 1e-3, 1e-3, "gradient of the " + name);
        }
    }

    // The allocator hands out again what was freed last.
    private static void LeaveNaN()
    {
        using var scope = NewDisposeScope();
        for (int i = 0; i < 40; i++) full([3L << (8 + i % 13)], float.NaN);
    }
}
