using TorchSharp;
using TurboDiffusion.Operators.Convolution;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Convolution;

public class TorchConvolutionTests
{
    private readonly Generator _random = new(1);

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
            Tensor input = _random.Normal(3, inChannels, 8, 9).requires_grad_(true), upstream = _random.Normal(3, outChannels, 8, 9);
            Tensor weight = _random.Normal(outChannels, inChannels, 3, 3).requires_grad_(true),
                bias = _random.Normal(outChannels).requires_grad_(true);

            LeaveNaN();
            Tensor output = TorchConvolution.Run(input, weight, bias, [1, 1], [1, 1]);
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

    [Fact]
    public void Over_three_axes_it_is_a_sum_of_those_over_two()
    {
        for (int round = 0; round < 4; round++)
        {
            using var scope = NewDisposeScope();
            Tensor input = _random.Normal(8, 24, 6, 14, 24), weight = _random.Normal(24, 24, 3, 3, 3), bias = _random.Normal(24);
            LeaveNaN();
            Tensor output = TorchConvolution.Run(input, weight, bias, [1, 1, 1], [0, 1, 1]);
            Tensor columns = stack([.. Enumerable.Range(0, 3).Select(k => input.narrow(2, k, 4))], 2).permute(0, 3, 1, 2, 4, 5).reshape(32,
                72, 14, 24);
            Tensor flat = weight.reshape(24, 72, 3, 3);
            Tensor expected = TorchConvolution.Run(columns, flat, bias, [1, 1], [1, 1]).view(8, 4, 24, 14, 24).transpose(1, 2);
            Comparison.Elementwise(expected, output, 1e-3, 1e-3, "output");
        }
    }

    // The allocator hands out again what was freed last.
    private static void LeaveNaN()
    {
        using var scope = NewDisposeScope();
        for (int i = 0; i < 56; i++) full([3L << (8 + i % 14)], float.NaN);
    }
}
