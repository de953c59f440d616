using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Linear;

/// <summary>What every number format of a linear layer promises: its fused forms are what its plain product makes of the formula.</summary>
public class LinearLayerTests
{
    private const int Length = 150, Dim = 256, Hidden = 640;
    private const double Eps = 1e-6;

    // A number format of weights, with what it does to activations.
    public enum Kind
    {
        Float,
        Int8,
        Int8Weights,
    }

    [Theory]
    [InlineData(Kind.Float, 1, false)]
    [InlineData(Kind.Float, 2, false)]
    [InlineData(Kind.Float, 2, true)]
    [InlineData(Kind.Int8, 1, false)]
    [InlineData(Kind.Int8, 2, false)]
    [InlineData(Kind.Int8, 2, true)]
    [InlineData(Kind.Int8Weights, 1, false)]
    [InlineData(Kind.Int8Weights, 2, true)]
    public void Fused_forms_are_the_formula(Kind kind, int batch, bool perToken)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Layers layers = Layers.On(CPU, ScalarType.Float32, kind);
        Inputs i = Inputs.On(CPU, ScalarType.Float32, batch, perToken);
        Tensor normed = i.Norm.Apply(i.X, ScalarType.Float32);
        Operand operand = layers.In.Prepare(i.X, i.Norm);
        // Only the last sums may be rounded otherwise.
        Comparison.RelativeL2(layers.In.call(normed), layers.In.Multiply(operand), 1e-6, "norm, product");
        Comparison.RelativeL2(layers.Out.call(Gelu.Tanh(layers.In.call(normed))), layers.Out.Multiply(layers.In.MultiplyGelu(operand)),
            1e-6, "product, GELU");
        Operand wide = layers.Out.Prepare(i.Wide);
        Comparison.RelativeL2(i.X + i.Gate * layers.Out.call(i.Wide), layers.Out.MultiplyAdd(wide, i.X, i.Gate), 1e-6,
            "gate, residual");
        Comparison.RelativeL2(i.X + layers.Out.call(i.Wide), layers.Out.MultiplyAdd(wide, i.X), 1e-6, "residual");
    }

    [Fact]
    public void Every_weight_format_is_among_them()
    {
        Type[] tested = [.. Enum.GetValues<Kind>().Select(kind => Layers.On(META, ScalarType.Float32, kind).In.GetType())],
            made = [.. Enum.GetValues<WeightFormat>().SelectMany(format => new[]
            {
                format.Linear(Dim, Hidden, Placement.Meta), format.WeightsAlone(Dim, Hidden, Placement.Meta),
            }).Select(layer => layer.GetType()).Distinct()];
        Assert.Equal(made.ToHashSet(), tested.ToHashSet());
    }

    [Fact]
    public void An_operand_of_another_format_is_refused()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Layers floats = Layers.On(CPU, ScalarType.Float32, Kind.Float),
            ints = Layers.On(CPU, ScalarType.Float32, Kind.Int8);
        Inputs i = Inputs.On(CPU, ScalarType.Float32, 1, perToken: false);
        Assert.Contains("FloatOperand", Assert.Throws<ArgumentException>(() => ints.In.Multiply(floats.In.Prepare(i.X))).Message);
        Assert.Contains("Int8Operand", Assert.Throws<ArgumentException>(() => floats.In.Multiply(ints.In.Prepare(i.X))).Message);
    }

    // Why the text encoder's activations are not rounded: of a value that is far from the others, int8 loses the others.
    [Fact]
    public void With_int8_weights_alone_outliers_of_the_activations_cost_nothing()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor weight = KernelConformance.Random(CPU, 31, ScalarType.Float32, Dim, Hidden),
            x = KernelConformance.Random(CPU, 32, ScalarType.Float32, Length, Hidden);
        x[.., 7] *= 1000;
        // What the outlier itself adds is known exactly.
        weight[.., 7] = 0;
        Tensor expected = x.matmul(weight.t());
        using var alone = new Int8WeightLinear(Hidden, Dim, Placement.Cpu);
        using var both = new Int8Linear(Hidden, Dim, Placement.Cpu, bias: false);
        Fill(alone, RowInt8.Quantize(weight));
        Fill(both, BlockInt8.Quantize(weight));
        Comparison.RelativeL2(expected, alone.call(x), 0.01, "int8 weights");
        Assert.True(((both.call(x) - expected).norm() / expected.norm()).item<float>() > 0.1);

        static void Fill(LinearLayer layer, (Tensor Values, Tensor Scales) weights)
        {
            layer.get_parameter("int8_weight")!.copy_(weights.Values);
            layer.get_parameter("scale")!.copy_(weights.Scales);
        }
    }

    [Fact]
    public void Sums_beyond_float16_are_scaled_before_they_are_added()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var layer = new Int8WeightLinear(Hidden, Dim, Placement.Cpu);
        layer.get_parameter("int8_weight")!.fill_(127);
        layer.get_parameter("scale")!.fill_(1 / 127.0);
        Tensor y = layer.call(full(3, Hidden, 10f, ScalarType.Float16));
        Comparison.RelativeL2(full(3, Dim, 10f * Hidden), y, 1e-3, "sums");
    }

    [Theory]
    [InlineData(Kind.Float, ScalarType.Float32, 1, false, 1e-3)]
    [InlineData(Kind.Int8Weights, ScalarType.Float32, 1, false, 1e-3)]
    [InlineData(Kind.Int8Weights, ScalarType.BFloat16, 2, false, 1e-2)]
    [InlineData(Kind.Int8Weights, ScalarType.Float16, 2, false, 2e-3)]
    [InlineData(Kind.Int8, ScalarType.Float32, 1, false, 1e-2)]
    [InlineData(Kind.Int8, ScalarType.BFloat16, 2, false, 3e-2)]
    [InlineData(Kind.Int8, ScalarType.BFloat16, 2, true, 3e-2)]
    [Trait("Category", "Gpu")]
    public void On_a_GPU_every_form_agrees_with_the_plain_one(
        Kind kind, ScalarType dtype, int batch, bool perToken, double limit)
    {
        Device device = KernelConformance.RequireGpu();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Layers plain = Layers.On(CPU, ScalarType.Float32, kind), layers = Layers.On(device, dtype, kind);
        Inputs i = Inputs.On(CPU, ScalarType.Float32, batch, perToken), on = Inputs.On(device, dtype, batch, perToken);
        using IDisposable kernels = KernelSwitch.Use(Enum.GetValues<KernelOperator>());
        RequiredGpu.Check(KernelMachine.Offer(KernelOperator.Int8Matmul, on.X).IsKernel, "the kernels do not run on this machine");
        Operand expected = plain.In.Prepare(i.X, i.Norm), actual = layers.In.Prepare(on.X, on.Norm);
        Comparison.RelativeL2(plain.In.Multiply(expected), layers.In.Multiply(actual), limit, "norm, product");
        Comparison.RelativeL2(plain.Out.Multiply(plain.In.MultiplyGelu(expected)), layers.Out.Multiply(layers.In.MultiplyGelu(actual)),
            limit, "product, GELU");
        Comparison.RelativeL2(plain.Out.MultiplyAdd(plain.Out.Prepare(i.Wide), i.X, i.Gate),
            layers.Out.MultiplyAdd(layers.Out.Prepare(on.Wide), on.X, on.Gate), limit, "gate, residual");
    }

    private sealed record Inputs(Tensor X, Tensor Wide, Norm Norm, Tensor Gate)
    {
        public static Inputs On(Device device, ScalarType dtype, int batch, bool perToken)
        {
            Tensor[] m = KernelConformance.Random(device, 13, ScalarType.Float32, batch, 3 * (perToken ? Length : 1), Dim).chunk(3, dim: 1);
            return new(KernelConformance.Random(device, 11, dtype, batch, Length, Dim),
                KernelConformance.Random(device, 12, dtype, batch, Length, Hidden),
                Norm.Modulated(m[0], m[1], Eps), m[2]);
        }
    }

    private sealed record Layers(LinearLayer In, LinearLayer Out)
    {
        public static Layers On(Device device, ScalarType dtype, Kind kind)
        {
            var placement = new Placement(device, dtype);
            LinearLayer Of(long inFeatures, long outFeatures) => kind == Kind.Int8Weights
                ? new Int8WeightLinear(inFeatures, outFeatures, placement)
                : (kind == Kind.Float ? WeightFormat.Float : WeightFormat.Int8).Linear(inFeatures, outFeatures, placement);
            var layers = new Layers(Of(Dim, Hidden), Of(Hidden, Dim));
            ulong seed = 100;
            foreach (LinearLayer layer in new[] { layers.In, layers.Out })
                foreach ((string name, Tensor parameter) in layer.named_parameters())
                    Fill(name, parameter, ++seed);
            return layers;
        }

        // The same on every device.
        private static void Fill(string name, Tensor parameter, ulong seed)
        {
            Tensor drawn = KernelConformance.Random(CPU, seed, ScalarType.Float32, parameter.shape);
            if (parameter.dtype == ScalarType.Int8) parameter.copy_(BlockInt8.QuantizePlain(drawn).Values);
            else if (name == "scale") parameter.copy_((drawn * 0.1 + 1) * (4 / 128.0 / Math.Sqrt(Dim)));
            else parameter.copy_(drawn * (name == "bias" ? 0.1 : 1 / Math.Sqrt(Dim)));
        }
    }
}
