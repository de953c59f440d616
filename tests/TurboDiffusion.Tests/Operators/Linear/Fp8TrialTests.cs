using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Linear;

public class Fp8TrialTests
{
    [Fact]
    public void Bytes_stand_for_every_value_of_e4m3_and_no_other()
    {
        using var scope = NewDisposeScope();
        // All but the two that are no numbers, 0x7F and 0xFF, and the second zero, 0x80.
        Tensor bytes = tensor([.. Enumerable.Range(-127, 254).Where(b => b != -1).Select(b => (sbyte)b)], ScalarType.Int8);
        Tensor values = Fp8Trial.Decode(bytes);
        Assert.Equal(253, values.unique().output.numel());
        Comparison.Exact(Fp8.Round(values), values, "values");
        Comparison.Exact(bytes, Fp8Trial.Encode(values), "bytes");
        Assert.Equal(448, values.max().item<float>());
        Assert.Equal(MathF.Pow(2, -9), values[values.gt(0)].min().item<float>());
    }

    [Fact]
    public void Its_product_is_about_the_float32_one()
    {
        using var scope = NewDisposeScope();
        Tensor x = randn([130, 272], generator: new Generator(1)), w = randn([136, 272], generator: new Generator(2));
        Comparison.RelativeL2(x.matmul(w.t()), Fp8Trial.Multiply(Fp8Trial.Activations(x), Fp8Trial.Weights(w)), 0.045, "product");
    }
}
