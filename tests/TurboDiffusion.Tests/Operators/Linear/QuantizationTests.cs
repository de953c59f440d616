using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Int8;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Tests.Checkpoints;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Linear;

public class QuantizationTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(128, 128)]
    [InlineData(129, 300)]
    [InlineData(5, 640)]
    public void Int8_blocks_come_back_within_half_a_step(long rows, long columns)
    {
        using var scope = NewDisposeScope();
        Tensor x = randn(rows, columns, generator: new Generator(3)) * 10;
        (Tensor values, Tensor scales) = BlockInt8.Quantize(x);
        Tensor step = BlockInt8.Dequantize(ones_like(values), scales);
        // The largest positive value of a block would need 128 and saturates at 127: a whole step off.
        Tensor error = (BlockInt8.Dequantize(values, scales) - x).abs();
        Assert.True(error.le(step * 1.0001).all().item<bool>());
        Assert.True(error.masked_select(values.lt(127)).le(step.masked_select(values.lt(127)) * 0.5001).all().item<bool>());
    }

    [Fact]
    public void Int8_rows_come_back_within_half_a_step_of_their_own()
    {
        using var scope = NewDisposeScope();
        // Of sizes that differ by 10 000 from row to row; one is zero.
        Tensor x = randn(40, 300, generator: new Generator(3)) * logspace(-2, 2, 40, 10).unsqueeze(1).to_type(ScalarType.Float32);
        x[5] = 0;
        (Tensor values, Tensor scales) = RowInt8.Quantize(x);
        Assert.Equal([40], scales.shape);
        Assert.True((RowInt8.Dequantize(values, scales) - x).abs().le(scales.unsqueeze(1) * 0.5001).all().item<bool>());
        Comparison.Exact(zeros(300), RowInt8.Dequantize(values, scales)[5], "zeros");
        // The largest of each row is kept.
        Assert.Equal(39, (values.to_type(ScalarType.Int32).abs().amax([1]) == 127).sum().item<long>());
    }

    [Fact]
    public void Half_a_step_rounds_to_even_in_blocks_and_away_from_zero_in_SageAttention()
    {
        using var scope = NewDisposeScope();
        float[] halves = [0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 100.5f, -101.5f];
        // The largest value makes either scale exactly 1.
        Tensor x = tensor([.. halves, 128]).reshape(1, -1);
        (Tensor values, Tensor scales) = BlockInt8.Quantize(x);
        Assert.Equal(1, scales.item<float>());
        Comparison.Exact(tensor([0f, 2, 2, 0, -2, -2, 100, -102, 127]).reshape(1, -1), values, "W8A8");

        Tensor q = tensor([.. halves, MathF.BitDecrement(127)]).reshape(1, 1, 1, -1);
        (values, scales) = SageQuantization.QuantizeQueries(q, 64);
        Assert.Equal(1, scales.item<float>());
        Comparison.Exact(tensor([1f, 2, 3, -1, -2, -3, 101, -102, 127]).reshape(1, 1, 1, -1), values, "SageAttention");
    }

    [Fact]
    public void A_block_of_zeros_stays_zero()
    {
        using var scope = NewDisposeScope();
        (Tensor values, Tensor scales) = BlockInt8.Quantize(zeros(130, 130));
        Comparison.Exact(zeros(130, 130), BlockInt8.Dequantize(values, scales), "zeros");
    }

    [Fact]
    public void An_int8_layer_is_close_to_its_float_layer()
    {
        using var scope = NewDisposeScope();
        Tensor w = randn(200, 300, generator: new Generator(1)), b = randn(200, generator: new Generator(2)),
            x = randn(2, 70, 300, generator: new Generator(3));
        using var layer = new Int8Linear(300, 200, Placement.Cpu);
        (Tensor values, Tensor scales) = BlockInt8.Quantize(w);
        using (no_grad())
        {
            layer.get_parameter("int8_weight")!.copy_(values);
            layer.get_parameter("scale")!.copy_(scales);
            layer.get_parameter("bias")!.copy_(b);
        }
        Comparison.RelativeL2(nn.functional.linear(x, w, b), layer.call(x), 0.02, "W8A8");
    }

    [Fact]
    public void Normalization_before_quantization_is_that_of_the_layer()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor x = randn(2, 70, 300, generator: new Generator(1)), weight = randn(300, generator: new Generator(2)),
            bias = randn(300, generator: new Generator(3));
        (Tensor values, Tensor scales) = BlockInt8.Quantize(x, new Norm(weight, bias, Offset: 0, 1e-6));
        (Tensor expected, Tensor expectedScales) = BlockInt8.Quantize(nn.functional.layer_norm(x, [300], weight, bias, 1e-6).flatten(0, 1));
        Comparison.Exact(expected, values, "values");
        Comparison.Exact(expectedScales, scales, "scales");
    }

    [Fact]
    public void A_quantized_checkpoint_reads_each_float_weight_once()
    {
        using var shapes = new WanModel(new WanConfig(256, 640, 2, 1, textDim: 32, freqDim: 32), AttentionOptions.Dense, WeightFormat.Float,
            Placement.Meta);
        using var file = new CountedReads(new RandomCheckpoint(shapes, 4));
        using var quantized = new QuantizedCheckpoint(file, WanCheckpoint.Int8Layers);
        const string name = "blocks.0.ffn.0.";
        using Tensor weight = file.Read(name + "weight"), values = quantized.Read(name + "int8_weight"),
            scales = quantized.Read(name + "scale");
        (Tensor expected, Tensor expectedScales) = BlockInt8.Quantize(weight);
        Assert.True(values.equal(expected).all().item<bool>() && scales.equal(expectedScales).all().item<bool>());
        Assert.Equal(expectedScales.shape, scales.shape);
        Assert.Equal([name + "weight", name + "weight"], file.Names);
    }

    [Fact]
    public void A_quantized_file_is_written_from_each_float_weight_read_once()
    {
        using var folder = new TestFolder();
        using var shapes = new WanModel(new WanConfig(256, 640, 2, 1, textDim: 32, freqDim: 32), AttentionOptions.Dense, WeightFormat.Float,
            Placement.Meta);
        using var file = new CountedReads(new RandomCheckpoint(shapes, 4));
        using var quantized = new QuantizedCheckpoint(file, WanCheckpoint.Int8Layers);
        string path = folder.File("int8.safetensors");
        SafetensorsWriter.Write(path, TensorSource.From(quantized), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(file.Tensors.Keys.Order(), file.Names.Order());
        using ICheckpoint written = Checkpoint.Open(path);
        Assert.Equal(quantized.Tensors.Keys.Order(), written.Tensors.Keys.Order());
        foreach (string tensor in written.Tensors.Keys)
        {
            using Tensor expected = quantized.Read(tensor), actual = written.Read(tensor);
            Comparison.Exact(expected, actual, tensor);
        }
    }

    private sealed class CountedReads(ICheckpoint inner) : CheckpointView(inner)
    {
        public List<string> Names { get; } = [];

        public override IReadOnlyDictionary<string, TensorInfo> Tensors => Inner.Tensors;

        public override Tensor Read(string name)
        {
            Names.Add(name);
            return Inner.Read(name);
        }
    }

    [Fact]
    public void Fp8_rounds_to_the_nearest_representable_value_and_ties_to_even()
    {
        using var scope = NewDisposeScope();
        // Every finite e4m3 value, from its bits.
        float[] representable = [.. Enumerable.Range(0, 127).Select(bits =>
        {
            int exponent = bits >> 3, mantissa = bits & 7;
            return exponent == 0 ? mantissa * MathF.Pow(2, -9) : (8 + mantissa) * MathF.Pow(2, exponent - 10);
        })];
        Assert.Equal(448f, representable[^1]);
        var inputs = new List<float>();
        var expected = new List<float>();
        for (int i = 0; i + 1 < representable.Length; i++)
        {
            float low = representable[i], high = representable[i + 1], middle = (low + high) / 2;
            inputs.AddRange([low, MathF.BitDecrement(middle), middle, MathF.BitIncrement(middle), -middle]);
            float even = i % 2 == 0 ? low : high;
            expected.AddRange([low, low, even, high, -even]);
        }
        inputs.AddRange([448, 500, 1e30f, -1e30f]);
        expected.AddRange([448, 448, 448, -448]);
        Comparison.Exact(tensor(expected.ToArray()), Fp8.Round(tensor(inputs.ToArray())), "e4m3");
    }

    [Fact]
    public void Gelu_is_the_tanh_form()
    {
        using var scope = NewDisposeScope();
        Tensor x = linspace(-5, 5, 101, ScalarType.Float32);
        double[] expected = [.. Enumerable.Range(0, 101).Select(i => -5 + i * 0.1)
            .Select(v => 0.5 * v * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (v + 0.044715 * v * v * v))))];
        Comparison.Elementwise(tensor(expected), Gelu.Tanh(x), 1e-5, 1e-6, "gelu");
    }
}
