using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

/// <summary>The transformer's small formulas, each against what it says, in plain numbers.</summary>
public class WanFormulaTests
{
    [Fact]
    public void In_a_patch_of_the_input_the_channel_is_slowest_then_the_row_then_the_column()
    {
        using var scope = NewDisposeScope();
        const int channels = 3, frames = 2, height = 4, width = 6;
        Tensor patches =
            Patches.From(arange(channels * frames * height * width, ScalarType.Float32).reshape(1, channels, frames, height, width));
        Assert.Equal([1, frames * height / 2 * width / 2, channels * 4], patches.shape);
        ForEach(channels, frames, height, width, (c, t, y, x) =>
            Assert.Equal(((c * frames + t) * height + y) * width + x,
                patches[0, (t * height / 2 + y / 2) * width / 2 + x / 2, c * 4 + y % 2 * 2 + x % 2].item<float>()));
    }

    [Fact]
    public void In_a_patch_of_the_output_the_channel_is_fastest()
    {
        using var scope = NewDisposeScope();
        const int channels = 3, frames = 2, height = 4, width = 6, tokens = frames * height / 2 * width / 2;
        Tensor latents = Patches.ToLatents(arange(tokens * 4 * channels, ScalarType.Float32).reshape(1, tokens, 4 * channels), channels,
            frames, height, width);
        Assert.Equal([1, channels, frames, height, width], latents.shape);
        ForEach(channels, frames, height, width, (c, t, y, x) =>
            Assert.Equal((((t * height / 2 + y / 2) * width / 2 + x / 2) * 4 + y % 2 * 2 + x % 2) * channels + c,
                latents[0, c, t, y, x].item<float>()));
    }

    [Theory]
    [InlineData(32, 12, 10)]
    [InlineData(64, 24, 20)]
    [InlineData(128, 44, 42)]
    public void Channels_are_rotated_by_frame_then_row_then_column(int headDim, int ofFrames, int ofEachSide)
    {
        using var scope = NewDisposeScope();
        const int frames = 2, rows = 3, columns = 4;
        using RotaryEmbedding rotary = RotaryEmbedding.Create(headDim, frames, rows, columns, CPU);
        Tensor x = randn([1, frames * rows * columns, 1, headDim], generator: new Generator(1)), rotated = rotary.Rotate(x);
        ForEach(frames, rows, columns, headDim / 2, (frame, row, column, pair) =>
        {
            (int position, int first, int size) = pair * 2 < ofFrames ? (frame, 0, ofFrames)
                : pair * 2 < ofFrames + ofEachSide ? (row, ofFrames, ofEachSide) : (column, ofFrames + ofEachSide, ofEachSide);
            double angle = position * Math.Pow(10000, -(pair * 2 - first) / (double)size);
            int token = (frame * rows + row) * columns + column;
            float a = x[0, token, 0, pair * 2].item<float>(), b = x[0, token, 0, pair * 2 + 1].item<float>();
            Assert.Equal(a * Math.Cos(angle) - b * Math.Sin(angle), rotated[0, token, 0, pair * 2].item<float>(), 1e-5);
            Assert.Equal(a * Math.Sin(angle) + b * Math.Cos(angle), rotated[0, token, 0, pair * 2 + 1].item<float>(), 1e-5);
        });
    }

    [Fact]
    public void The_sinusoid_of_time_has_its_cosines_first()
    {
        using var scope = NewDisposeScope();
        Tensor sinusoid = TimeEmbedding.Sinusoid(tensor(new[] { 613f, 0f }), 6);
        double[] angles = [613, 613 * Math.Pow(10000, -1 / 3.0), 613 * Math.Pow(10000, -2 / 3.0)];
        Tensor expected = tensor([.. angles.Select(Math.Cos), .. angles.Select(Math.Sin), 1, 1, 1, 0, 0, 0]).reshape(2, 6);
        Comparison.Elementwise(expected, sinusoid, 1e-6, 1e-6, "sinusoid");
    }

    [Fact]
    public void Modulation_multiplies_by_one_more_than_the_scale_and_adds_the_shift()
    {
        using var scope = NewDisposeScope();
        // Normalised, [1, 3] is [-1, 1].
        Tensor modulated = Norm.Modulated(scale: tensor(new[] { 0.5f, 2f }).reshape(1, 1, 2),
            shift: tensor(new[] { 10f, 20f }).reshape(1, 1, 2), eps: 0)
            .Apply(tensor(new[] { 1f, 3f }).reshape(1, 1, 2), ScalarType.Float32);
        Comparison.Elementwise(tensor(new[] { 10 - 1.5f, 20 + 3f }).reshape(1, 1, 2), modulated, 1e-6, 0, "LN(x)·(1 + scale) + shift");
    }

    [Fact]
    public void A_blocks_modulation_is_shift_scale_and_gate_of_self_attention_then_of_the_feed_forward()
    {
        // The feed-forward and the attention of nothing are nothing, as every bias is zero: with these rows a block passes its input on.
        AssertPassesOn(shift1: 0, scale1: -1, gate1: 1, shift2: 0, scale2: -1, gate2: 1);
        AssertPassesOn(shift1: 1, scale1: 1, gate1: 0, shift2: 1, scale2: 1, gate2: 0);
        AssertPassesOn(shift1: 0, scale1: -1, gate1: 1, shift2: 1, scale2: 1, gate2: 0);
        AssertPassesOn(shift1: 1, scale1: 1, gate1: 0, shift2: 0, scale2: -1, gate2: 1);
    }

    private static void AssertPassesOn(float shift1, float scale1, float gate1, float shift2, float scale2, float gate2)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var model = new WanModel(new WanConfig(32, 48, 2, 1, textDim: 24, freqDim: 32), AttentionOptions.Dense, WeightFormat.Float,
            Placement.Cpu);
        StrictLoader.Load(model, new RandomCheckpoint(model, 1));
        // The other part of the modulation comes of the time.
        model.get_parameter("time_projection.1.weight")!.zero_();
        model.get_parameter("blocks.0.modulation")!
            .copy_(tensor(new[] { shift1, scale1, gate1, shift2, scale2, gate2 }).reshape(1, 6, 1).expand(1, 6, 32));
        Tensor? before = null, after = null;
        using CrossContext text = model.PrepareContext(zeros(1, 3, 24));
        model.Forward(randn([1, 16, 1, 4, 4], generator: new Generator(2)), tensor(new[] { 500f }), text, observe: (name, value) =>
        {
            if (name == "patch_embedding") before = value().clone().MoveToOuterDisposeScope();
            if (name == "blocks.0") after = value().clone().MoveToOuterDisposeScope();
        });
        Comparison.Exact(before!, after!, $"rows {shift1} {scale1} {gate1} {shift2} {scale2} {gate2}");
    }

    private static void ForEach(int a, int b, int c, int d, Action<int, int, int, int> check)
    {
        for (int i = 0; i < a; i++)
            for (int j = 0; j < b; j++)
                for (int k = 0; k < c; k++)
                    for (int l = 0; l < d; l++) check(i, j, k, l);
    }
}
