using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Runtime;

/// <summary>Operators that are reached through TorchScript.</summary>
public class TorchScriptTests
{
    [Theory]
    [InlineData(1e-6)]
    [InlineData(0.0)]
    [InlineData(0.1234567890123456)]
    public void The_norm_is_that_of_its_formula_whenever_garbage_is_collected(double eps)
    {
        using var scope = NewDisposeScope();
        Tensor x = randn([3, 8], ScalarType.Float64, generator: new Generator(1));
        Tensor weight = randn(8, ScalarType.Float64, generator: new Generator(2));
        Tensor expected = x / (x.square().mean([-1], keepdim: true) + eps).sqrt() * weight;
        for (int i = 0; i < 50; i++)
        {
            using Tensor y = TorchScript.RmsNorm(x, weight, eps);
            Comparison.Elementwise(expected, y, 1e-12, 1e-12, "norm");
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }
}
