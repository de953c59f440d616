using TurboDiffusion.Attention;
using TurboDiffusion.Kernels;
using TurboDiffusion.Quantization;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Kernels;

/// <summary>sage_quantize agrees with its plain twins.</summary>
[Trait("Category", "Gpu")]
public class SageQuantizeKernelTests
{
    [Theory]
    [InlineData(1, 1, 1, 64)]
    [InlineData(1, 64, 2, 64)]
    [InlineData(2, 300, 3, 64)]
    [InlineData(1, 1000, 12, 128)]
    public void Queries_and_keys_are_quantized_and_pooled_as_in_the_plain_form(int batch, int length, int heads, int block)
    {
        Device device = KernelConformance.RequireGpu();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor x = KernelConformance.Random(device, 1, ScalarType.BFloat16, batch, length, heads, 128) * 3 + 1, mean = SageQuantization.KeyMean(x);
        KernelConformance.PoisonMemory(device);
        var queries = SageQuantizeKernel.Run(x, null, block);
        var keys = SageQuantizeKernel.Run(x, mean, block);
        KernelConformance.Quantized(SageQuantization.QuantizeQueries(x, block), (queries.Values, queries.Scales), "queries");
        KernelConformance.Quantized(SageQuantization.QuantizeKeys(x, block), (keys.Values, keys.Scales), "keys");
        // A sum in another order may round to the neighbouring bfloat16.
        Comparison.Elementwise(BlockSelection.MeanPool(x, block), queries.Pooled, 8e-3, 1e-5, "pooled queries");
        Comparison.Elementwise(BlockSelection.MeanPool(x - mean, block), keys.Pooled, 8e-3, 1e-5, "pooled keys");
    }

    [Fact]
    public void All_equal_values_are_all_zeros_less_their_mean()
    {
        Device device = KernelConformance.RequireGpu();
        using var scope = NewDisposeScope();
        Tensor x = full([1, 100, 2, 128], 3.0, ScalarType.BFloat16, device);
        var keys = SageQuantizeKernel.Run(x, SageQuantization.KeyMean(x), 64);
        Comparison.Exact(zeros(1, 2, 100, 128), keys.Values, "values");
        Comparison.Exact(zeros(1, 2, 2, 128), keys.Pooled, "means");
        KernelConformance.Quantized(SageQuantization.QuantizeQueries(x, 64), (SageQuantizeKernel.Run(x, null, 64).Values, SageQuantizeKernel.Run(x, null, 64).Scales), "without");
    }
}
