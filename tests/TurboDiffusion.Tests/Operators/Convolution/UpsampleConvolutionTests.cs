using TurboDiffusion.Operators.Convolution;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Convolution;

public class UpsampleConvolutionTests
{
    [Theory]
    [InlineData(1, 3, 5, 1, 1)]
    [InlineData(1, 16, 8, 5, 7)]
    [InlineData(3, 12, 6, 4, 9)]
    public void Folded_weights_give_the_convolution_of_the_enlarged_frame(int frames, int channels, int outChannels, int height, int width)
    {
        using var scope = NewDisposeScope();
        Tensor x = Draw(1, frames, channels, height, width), weight = Draw(2, outChannels, channels, 3, 3), bias = Draw(3, outChannels);
        Tensor expected = UpsampleConvolution.RunPlain(x, weight, bias), folded = UpsampleConvolution.Fold(weight);
        Assert.Equal([4 * outChannels, channels, 2, 2], folded.shape);
        Comparison.Elementwise(expected, UpsampleConvolution.RunFolded(x, folded, bias), 1e-4, 1e-4, "rows of pixels");
        Tensor channelsLast = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);
        Comparison.Elementwise(expected, UpsampleConvolution.RunFolded(channelsLast, folded, bias), 1e-4, 1e-4, "channels last");
    }

    [Fact]
    [Trait("Category", "Gpu")]
    public void In_bfloat16_it_is_as_close_to_float32_as_the_enlarged_frame()
    {
        Device device = KernelConformance.RequireGpu();
        using var scope = NewDisposeScope();
        Tensor Here(ulong seed, params long[] shape) => KernelConformance.Random(device, seed, ScalarType.BFloat16, shape);
        Tensor x = Here(1, 4, 64, 30, 52), weight = Here(2, 32, 64, 3, 3) * 0.05, bias = Here(3, 32);
        Tensor Wide(Tensor t) => t.to_type(ScalarType.Float32);
        Tensor exact = UpsampleConvolution.RunPlain(Wide(x), Wide(weight), Wide(bias));
        double error = Comparison.RelativeL2(exact, UpsampleConvolution.RunPlain(x, weight, bias), 1e-2, "enlarged");
        Tensor folded = UpsampleConvolution.RunFolded(x, UpsampleConvolution.Fold(weight), bias);
        Comparison.RelativeL2(exact, folded, 1.5 * error + 1e-4, "folded");
    }

    private static Tensor Draw(ulong seed, params long[] shape) => randn(shape, generator: new Generator(seed));
}
