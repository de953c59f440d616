using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Operators;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

/// <summary>
/// The parts of a block that kernels compute in one piece (quantized once, added to the residual stream where the product
/// ends) give what their layers give one by one.
/// </summary>
public class Int8BlockTests
{
    private const int Length = 150;

    private static readonly WanConfig Config = new(256, 640, 2, 1, textDim: 32, freqDim: 32);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void In_one_piece_and_layer_by_layer_are_the_same(int batch)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Parts parts = Parts.On(CPU, ScalarType.Float32);
        Inputs i = Inputs.On(CPU, ScalarType.Float32, batch);
        // The same products; only the last sums may be rounded otherwise.
        Comparison.RelativeL2(parts.Self.AddGated(i.X, i.Scale, i.Shift, i.Gate, Config.Eps, parts.Rotary),
            parts.Self.AddGatedInt8(i.X, i.Scale, i.Shift, i.Gate, Config.Eps, parts.Rotary), 1e-6, "self-attention");
        Comparison.RelativeL2(parts.Cross.Add(i.X, parts.Norm, parts.Cross.Project(i.Text)), parts.Cross.AddInt8(i.X, parts.Norm, parts.Cross.Project(i.Text)), 1e-6, "cross-attention");
        Comparison.RelativeL2(parts.Feed.AddGated(i.X, i.Scale, i.Shift, i.Gate, Config.Eps),
            parts.Feed.AddGatedInt8(i.X, i.Scale, i.Shift, i.Gate, Config.Eps), 1e-6, "feed-forward");
    }

    [Fact]
    public void An_observer_sees_what_the_layers_give()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Parts parts = Parts.On(CPU, ScalarType.Float32);
        Inputs i = Inputs.On(CPU, ScalarType.Float32, 1);
        Tensor? self = null, cross = null;
        Tensor hidden = parts.Self.AddGated(i.X, i.Scale, i.Shift, i.Gate, Config.Eps, parts.Rotary, value => self = value.clone().MoveToOuterDisposeScope());
        Tensor added = parts.Cross.Add(hidden, parts.Norm, parts.Cross.Project(i.Text), value => cross = value.clone().MoveToOuterDisposeScope());
        Comparison.Exact(i.X.addcmul(self!, i.Gate, 1), hidden, "self-attention");
        Comparison.Exact(hidden + cross!, added, "cross-attention");
    }

    [Theory]
    [InlineData(1, ScalarType.Float32, 1e-2)]
    [InlineData(2, ScalarType.BFloat16, 3e-2)]
    [Trait("Category", "Gpu")]
    public void Kernels_agree_with_the_plain_form(int batch, ScalarType dtype, double limit)
    {
        Device device = KernelConformance.RequireGpu();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Parts plain = Parts.On(CPU, ScalarType.Float32), parts = Parts.On(device, dtype);
        Inputs i = Inputs.On(CPU, ScalarType.Float32, batch), on = Inputs.On(device, dtype, batch);
        using IDisposable kernels = KernelSwitch.Use([KernelOperator.BlockInt8Quantize, KernelOperator.RmsNormRotary, KernelOperator.Int8Matmul]);
        RequiredGpu.Check(KernelPaths.Takes(KernelOperator.Int8Matmul, on.X), "the kernels do not run on this machine");
        Comparison.RelativeL2(plain.Self.AddGated(i.X, i.Scale, i.Shift, i.Gate, Config.Eps, plain.Rotary),
            parts.Self.AddGated(on.X, on.Scale, on.Shift, on.Gate, Config.Eps, parts.Rotary), limit, "self-attention");
        Comparison.RelativeL2(plain.Cross.Add(i.X, plain.Norm, plain.Cross.Project(i.Text)),
            parts.Cross.Add(on.X, parts.Norm, parts.Cross.Project(on.Text)), limit, "cross-attention");
        Comparison.RelativeL2(plain.Feed.AddGated(i.X, i.Scale, i.Shift, i.Gate, Config.Eps),
            parts.Feed.AddGated(on.X, on.Scale, on.Shift, on.Gate, Config.Eps), limit, "feed-forward");
    }

    private sealed record Inputs(Tensor X, Tensor Text, Tensor Scale, Tensor Shift, Tensor Gate)
    {
        public static Inputs On(Device device, ScalarType dtype, int batch)
        {
            Tensor Draw(ulong seed, params long[] shape) => KernelConformance.Random(device, seed, dtype, shape);
            Tensor modulation = KernelConformance.Random(device, 13, ScalarType.Float32, batch, 3, Config.Dim);
            Tensor[] m = modulation.chunk(3, dim: 1);
            return new(Draw(11, batch, Length, Config.Dim), Draw(12, batch, 20, Config.Dim), m[0], m[1], m[2]);
        }
    }

    private sealed record Parts(SelfAttention Self, CrossAttention Cross, FeedForward Feed, LayerNorm Norm, RotaryEmbedding Rotary)
    {
        public static Parts On(Device device, ScalarType dtype)
        {
            var placement = new Placement(device, dtype);
            var parts = new Parts(new SelfAttention(Config, AttentionOptions.Dense, WeightFormat.Int8, placement), new CrossAttention(Config, WeightFormat.Int8, placement),
                new FeedForward(Config.Dim, Config.FfnDim, Config.Dim, WeightFormat.Int8, placement), new LayerNorm(Config.Dim, Config.Eps, placement),
                RotaryEmbedding.Create(Config.HeadDim, 3, 5, 10, device));
            ulong seed = 100;
            foreach (nn.Module module in new nn.Module[] { parts.Self, parts.Cross, parts.Feed, parts.Norm })
                foreach ((string name, Tensor parameter) in module.named_parameters())
                    Fill(name, parameter, ++seed);
            return parts;
        }

        // The same on every device: weights quantized from what was drawn, norms around 1.
        private static void Fill(string name, Tensor parameter, ulong seed)
        {
            Tensor drawn = KernelConformance.Random(CPU, seed, ScalarType.Float32, parameter.shape);
            if (parameter.dtype == ScalarType.Int8) parameter.copy_(BlockInt8.QuantizePlain(drawn).Values);
            else if (name.EndsWith("scale", StringComparison.Ordinal)) parameter.copy_((drawn * 0.1 + 1) * (4 / 128.0 / Math.Sqrt(Config.Dim)));
            else parameter.copy_(name.EndsWith("bias", StringComparison.Ordinal) ? drawn * 0.1 : drawn * 0.1 + 1);
        }
    }
}
