using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace TurboDiffusion.Tests.Operators.Linear;

/// <summary>A linear layer with factors of low rank: it computes with the sum, and the factors get the sum's gradient.</summary>
public sealed class LowRankFactorsTests : IDisposable
{
    private const int In = 200, Out = 300, Rank = 4;
    private const double Alpha = 6, Scale = Alpha / Rank;

    // Of a sum that is a bit off in its last place, a value at the border between two int8 values falls the other way: 1e-4 of the whole.
    private const double Int8Limit = 1e-3;

    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();

    // Its own: the other classes draw from that of the process meanwhile.
    private readonly Generator _random = new(5);

    public void Dispose()
    {
        _scope.Dispose();
        _random.Dispose();
    }

    [Theory]
    [InlineData(WeightFormat.Float)]
    [InlineData(WeightFormat.Int8)]
    public void The_layer_is_that_of_the_summed_weights(WeightFormat format)
    {
        (LinearLayer layer, Tensor weight, Tensor bias) = Layer(format, CPU);
        Tensor sum = weight + Scale * layer.Factors!.Up.Weight.mm(layer.Factors.Down.Weight), x = _random.Normal(2, 150, In);
        LinearLayer merged = Layer(format, sum, bias, CPU);
        double limit = format == WeightFormat.Int8 ? Int8Limit : 1e-6;
        using var noGrad = no_grad();
        Comparison.RelativeL2(merged.call(x), layer.call(x), limit, "product");
        Tensor residual = _random.Normal(2, 150, Out), gate = _random.Normal(2, 1, Out);
        Comparison.RelativeL2(merged.MultiplyAdd(merged.Prepare(x), residual, gate),
            layer.MultiplyAdd(layer.Prepare(x), residual, gate), limit, "gate, residual");
        if (format == WeightFormat.Float)
            Comparison.RelativeL2(Values(merged.MultiplyGelu(merged.Prepare(x))), Values(layer.MultiplyGelu(layer.Prepare(x))), 1e-6,
                "GELU");
    }

    [Theory]
    [InlineData(WeightFormat.Float)]
    [InlineData(WeightFormat.Int8)]
    public void Recording_gradients_changes_no_value(WeightFormat format) =>
        ValuesAreThoseWithoutGradients(format, CPU, ScalarType.Float32, 1e-6);

    [Theory]
    [InlineData(ScalarType.Float32, 1e-2)]
    [InlineData(ScalarType.BFloat16, 3e-2)]
    [Trait("Category", "Gpu")]
    public void Recording_gradients_on_a_GPU_gives_what_the_kernels_give(ScalarType dtype, double limit)
    {
        RequiredGpu.Check();
        using IDisposable kernels = KernelSwitch.Use(Enum.GetValues<KernelOperator>());
        ValuesAreThoseWithoutGradients(WeightFormat.Int8, CUDA, dtype, limit);
    }

    [Fact]
    public void In_float_the_gradients_are_those_of_the_formula()
    {
        (LinearLayer layer, Tensor weight, Tensor bias) = Layer(WeightFormat.Float, CPU);
        (Parameter down, Parameter up) = Recorded(layer);
        Tensor x = _random.Normal(2, 150, In).requires_grad_(true), d = down.detach().clone().requires_grad_(true),
            u = up.detach().clone().requires_grad_(true), again = x.detach().clone().requires_grad_(true), g = _random.Normal(2, 150, Out);
        layer.call(x).mul(g).sum().backward();
        nn.functional.linear(again, weight + Scale * u.mm(d), bias).mul(g).sum().backward();
        Comparison.RelativeL2(again.grad!, x.grad!, 1e-5, "x");
        Comparison.RelativeL2(d.grad!, down.grad!, 1e-5, "A");
        Comparison.RelativeL2(u.grad!, up.grad!, 1e-5, "B");
    }

    /// <summary>The backward pass is that of the values that int8 stands for, as though neither side had been rounded to them.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void In_int8_the_gradients_go_straight_through_the_rounding(bool inputRecorded)
    {
        (LinearLayer layer, Tensor weight, _) = Layer(WeightFormat.Int8, CPU);
        (Parameter down, Parameter up) = Recorded(layer);
        Tensor x = _random.Normal(150, In).requires_grad_(inputRecorded), g = _random.Normal(150, Out);
        layer.call(x).mul(g).sum().backward();

        Tensor rounded = Rounded(x.detach()), sum = Rounded(weight + Scale * up.detach().mm(down.detach())), ofSum = g.t().mm(rounded);
        if (inputRecorded) Comparison.RelativeL2(g.mm(sum), x.grad!, Int8Limit, "x");
        Comparison.RelativeL2(Scale * up.detach().t().mm(ofSum), down.grad!, 1e-5, "A");
        Comparison.RelativeL2(Scale * ofSum.mm(down.detach().t()), up.grad!, 1e-5, "B");
    }

    [Fact]
    public void Without_factors_int8_passes_gradients_to_its_input_alone()
    {
        LinearLayer layer = Layer(WeightFormat.Int8, _random.Normal(Out, In), _random.Normal(Out), CPU);
        Tensor x = _random.Normal(150, In).requires_grad_(true), residual = _random.Normal(1, 150, Out).requires_grad_(true),
            g = _random.Normal(1, 150, Out);
        layer.MultiplyAdd(layer.Prepare(x.unsqueeze(0)), residual).mul(g).sum().backward();
        Comparison.Exact(g, residual.grad!, "residual");
        Assert.True(x.grad!.norm().item<float>() > 0);
        Assert.All(layer.parameters(), p => Assert.Null(p.grad));
    }

    [Fact]
    public void A_layer_takes_one_pair()
    {
        (LinearLayer layer, _, _) = Layer(WeightFormat.Float, CPU);
        Assert.Throws<InvalidOperationException>(() => layer.AddFactors(2, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => Layer(WeightFormat.Float, _random.Normal(3, 3), _random.Normal(3),
            CPU).AddFactors(0, 1));
        Assert.Equal(["bias", "lora_down.weight", "lora_up.weight", "weight"], layer.named_parameters().Select(p => p.name).Order());
    }

    private void ValuesAreThoseWithoutGradients(WeightFormat format, Device device, ScalarType dtype, double limit)
    {
        (LinearLayer first, _, _) = Layer(format, device, dtype);
        LinearLayer second = Layer(format, _random.Normal(In, Out) * 0.1, _random.Normal(In), device, dtype);
        Tensor x = _random.Normal(2, 150, In).to(dtype, device), residual = _random.Normal(2, 150, In).to(dtype, device),
            gate = _random.Normal(2, 1, In).to(device);
        var norm = Norm.Modulated(_random.Normal(2, 1, In).to(device), _random.Normal(2, 1, In).to(device), 1e-6);
        Tensor Run(Tensor input)
        {
            Operand hidden = first.MultiplyGelu(first.Prepare(input, norm));
            return second.MultiplyAdd(hidden, residual, gate);
        }
        Tensor expected;
        using (no_grad()) expected = Run(x);
        Recorded(first);
        // With an input that asks for a gradient, and with one that does not.
        Comparison.RelativeL2(expected, Run(x.detach().requires_grad_(true)), limit, "recorded");
        Comparison.RelativeL2(expected, Run(x), limit, "factors alone recorded");
    }

    private static (Parameter Down, Parameter Up) Recorded(LinearLayer layer)
    {
        foreach (Parameter parameter in new[] { layer.Factors!.Down.Weight, layer.Factors.Up.Weight }) parameter.requires_grad_(true);
        return (layer.Factors.Down.Weight, layer.Factors.Up.Weight);
    }

    private static Tensor Values(Operand operand) => ((FloatOperand)operand).Values;

    private static Tensor Rounded(Tensor x)
    {
        (Tensor values, Tensor scales) = BlockInt8.Quantize(x);
        return BlockInt8.Dequantize(values, scales);
    }

    // With random factors, and the float weights that its own stand for.
    private (LinearLayer Layer, Tensor Weight, Tensor Bias) Layer(
        WeightFormat format, Device device, ScalarType dtype = ScalarType.Float32)
    {
        Tensor weight = _random.Normal(Out, In) * 0.1, bias = _random.Normal(Out);
        LinearLayer layer = Layer(format, weight, bias, device, dtype);
        using var noGrad = no_grad();
        LowRankFactors factors = layer.AddFactors(Rank, Alpha);
        factors.Down.Weight.copy_(_random.Normal(Rank, In) * 0.1);
        factors.Up.Weight.copy_(_random.Normal(Out, Rank) * 0.1);
        return (layer, format == WeightFormat.Int8 ? Rounded(weight) : weight, bias);
    }

    private static LinearLayer Layer(
        WeightFormat format, Tensor weight, Tensor bias, Device device, ScalarType dtype = ScalarType.Float32)
    {
        LinearLayer layer = format.Linear(weight.shape[1], weight.shape[0], new Placement(device, dtype));
        using var noGrad = no_grad();
        Dictionary<string, Tensor> state = layer.state_dict();
        state["bias"].copy_(bias);
        if (format == WeightFormat.Float)
        {
            state["weight"].copy_(weight);
            return layer;
        }
        (Tensor values, Tensor scales) = BlockInt8.Quantize(weight);
        state["int8_weight"].copy_(values);
        state["scale"].copy_(scales);
        return layer;
    }
}
