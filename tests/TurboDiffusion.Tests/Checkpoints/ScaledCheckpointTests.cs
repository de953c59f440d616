using System.Text;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Keys;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Checkpoints;

public sealed class ScaledCheckpointTests : IDisposable
{
    private readonly Generator _random = new(1);

    private readonly TestFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("F8_E4M3", 0x00, 0)]
    [InlineData("F8_E4M3", 0x01, 0.001953125)]
    [InlineData("F8_E4M3", 0x08, 0.015625)]
    [InlineData("F8_E4M3", 0x38, 1)]
    [InlineData("F8_E4M3", 0xb9, -1.125)]
    [InlineData("F8_E4M3", 0x7e, 448)]
    [InlineData("F8_E4M3", 0x7f, float.NaN)]
    [InlineData("F8_E5M2", 0x01, 1.52587890625e-05)]
    [InlineData("F8_E5M2", 0x3c, 1)]
    [InlineData("F8_E5M2", 0xbd, -1.25)]
    [InlineData("F8_E5M2", 0x7b, 57344)]
    [InlineData("F8_E5M2", 0xfc, float.NegativeInfinity)]
    public void Bytes_are_the_floats_that_they_stand_for(string dtype, byte stored, float value)
    {
        byte[] header = Encoding.UTF8.GetBytes($$$"""{"w":{"dtype":"{{{dtype}}}","shape":[2],"data_offsets":[0,2]}}""");
        using ICheckpoint file =
            Checkpoint.Open(_folder.Write("f8.safetensors", [.. BitConverter.GetBytes((ulong)header.Length), .. header, stored, stored]));
        Assert.Equal((dtype, ScalarType.BFloat16, 2),
            (file.Tensors["w"].Encoding, file.Tensors["w"].Dtype, file.Tensors["w"].StoredByteCount));
        Assert.Equal([value, value], file.Read("w").to_type(ScalarType.Float32).data<float>().ToArray());
    }

    [Theory]
    [InlineData("weight_scale")]
    [InlineData("scale_weight")]
    [InlineData("weight_scale", 6L, 4L)]
    [InlineData("weight_scale", 1L, 1L)]
    [InlineData("weight_scale", 1L)]
    [InlineData("scale_weight", 6L)]
    [InlineData("weight_scale", 6L, 1L)]
    [InlineData("scale_weight", 6L, 4L, 1L)]
    public void Scales_of_every_shape_are_applied(string name, params long[] shape)
    {
        Tensor weight = randint(-127, 128, [6, 8], ScalarType.Int8, generator: _random), scale = rand(shape, generator: _random);
        using ICheckpoint view = ScaledCheckpoint.Of(new MemoryCheckpoint(("l.weight", weight.alias()), ("l." + name, scale.alias()),
            ("l.bias", ones(6)), ("l.input_scale", ones(1)), ("scaled_fp8", ones(2))));
        Assert.Equal(["l.weight", "l.bias"], view.Tensors.Keys);
        // As many columns for each scale of a row.
        Tensor spread = shape is [_, 4, ..] ? scale.reshape(6, 4).repeat_interleave(2, 1)
            : scale.numel() == 1 ? scale.reshape(1) : scale.reshape(6, 1);
        Comparison.Elementwise(weight.to_type(ScalarType.Float32) * spread, view.Read("l.weight"), 1e-6, 0, name);
    }

    [Theory]
    [InlineData("F8_E4M3", "scaled_fp8", "[0]")]
    [InlineData("F8_E4M3", "scaled_fp8", "[2]")]
    [InlineData("F8_E5M2", "model.diffusion_model.scaled_fp8", "[2]")]
    [InlineData("F8_E5M2", "", "")]
    public void Scaled_floats_of_8_bits_are_read_with_and_without_their_marker(string dtype, string marker, string markerShape)
    {
        // A convolution of five axes, its scale of none, and what marks the file.
        byte[] data = [.. Enumerable.Range(0, 24).Select(i => (byte)i), .. BitConverter.GetBytes(3f), 0x38, 0x38];
        string marked = marker.Length == 0 ? ""
            : $$""","{{marker}}":{"dtype":"{{dtype}}","shape":{{markerShape}},"data_offsets":[28,{{(markerShape == "[0]" ? 28 : 30)}}]}""";
        int end = marker.Length == 0 || markerShape == "[0]" ? 28 : 30;
        byte[] header = Encoding.UTF8.GetBytes($$"""
            {"p.weight":{"dtype":"{{dtype}}","shape":[2,3,1,2,2],"data_offsets":[0,24]},
            "p.scale_weight":{"dtype":"F32","shape":[],"data_offsets":[24,28]}{{marked}}}
            """);
        using ICheckpoint file = Checkpoint.Open(_folder.Write("f8.safetensors",
            [.. BitConverter.GetBytes((ulong)header.Length), .. header, .. data.AsSpan(0, end)]));
        using ICheckpoint view = ScaledCheckpoint.Of(file);
        Assert.Equal(["p.weight"], view.Tensors.Keys);
        Comparison.Exact(file.Read("p.weight").to_type(ScalarType.Float32) * 3, view.Read("p.weight"), dtype);
    }

    [Fact]
    public void Blocks_at_the_edge_are_smaller()
    {
        Tensor weight = randint(-127, 128, [200, 130], ScalarType.Int8, generator: _random),
            scale = tensor(new float[,] { { 1, 2 }, { 3, 4 } });
        using ICheckpoint view = ScaledCheckpoint.Of(new MemoryCheckpoint(
            ("l.weight", weight.alias()), ("l.weight_scale", scale.alias()), ("l.comfy_quant", Text("""{"format": "int8_blockwise"}"""))));
        Tensor value = view.Read("l.weight"), plain = weight.to_type(ScalarType.Float32);
        foreach ((int row, int column, float factor) in new[] { (0, 0, 1f), (127, 127, 1f), (127, 128, 2f), (128, 127, 3f),
            (199, 129, 4f) })
            Assert.Equal(plain[row, column].item<float>() * factor, value[row, column].item<float>());
    }

    [Theory]
    [InlineData("l.comfy_quant", "nvfp4")]
    [InlineData("l.comfy_quant", "mxfp8")]
    [InlineData("l.comfy_quant", "int8_convrot")]
    public void Formats_that_do_not_run_are_refused_by_name(string name, string format)
    {
        foreach (ICheckpoint file in new[]
                 {
                     new MemoryCheckpoint(("l.weight", ones(2, 2)), (name, Text($$"""{"format": "{{format}}"}"""))),
                     new MemoryCheckpoint(("l.weight", ones(2, 2)))
                     {
                         Metadata = new Dictionary<string, string>
                         {
                             ["_quantization_metadata"] = $$"""{"layers": {"l": {"format": "{{format}}"} } }""",
                         },
                     },
                 })
            Assert.Contains($"'{format}', which is not supported",
                Assert.Throws<CheckpointException>(() => CheckpointLayout.Detect(file)).Message);
    }

    [Fact]
    public void What_does_not_belong_together_is_refused()
    {
        string Message(params (string, Tensor)[] tensors) =>
            Assert.Throws<CheckpointException>(() => ScaledCheckpoint.Of(new MemoryCheckpoint(tensors))).Message;
        Assert.Contains("and no 'l.weight'", Message(("l.weight_scale", ones(1))));
        Assert.Contains("does not scale", Message(("l.weight", ones(4, 4)), ("l.weight_scale", ones(3))));
        Assert.Contains("does not scale", Message(("l.weight", ones(4, 4)), ("l.weight_scale", ones(1, ScalarType.Int8))));
        Assert.Contains("two scales", Message(("l.weight", ones(4, 4)), ("l.weight_scale", ones(1)), ("l.scale_weight", ones(1))));
        Assert.Contains("packed", Message(("l.weight", ones([4, 4], ScalarType.Byte)), ("l.weight_scale", ones(1))));
        Assert.Contains("nvfp4", Message(("l.weight", ones(4, 4)), ("l.weight_scale_2", ones(1))));
        Assert.Contains("AWQ", Message(("l.weight", ones(4, 4)), ("l.pre_quant_scale", ones(4))));
        Assert.Contains("not JSON", Message(("l.weight", ones(4, 4)), ("l.comfy_quant", Text("{"))));
    }

    [Fact]
    public void An_int8_file_of_LightX2V_loads_in_float_and_in_our_int8()
    {
        var config = new WanConfig(128, 256, 1, 1, textDim: 32, freqDim: 32);
        using var model = new WanModel(config, AttentionOptions.Dense, WeightFormat.Float, Placement.Meta);
        var random = new RandomCheckpoint(model, 3);
        var tensors = new List<TensorSource>();
        using (ICheckpoint original = WanLayouts.Original.Inverse.Apply(random))
            foreach (TensorInfo info in original.Tensors.Values)
            {
                Tensor value = original.Read(info.Name);
                if (!info.Name.StartsWith("blocks.", StringComparison.Ordinal) || info.Shape.Count != 2)
                {
                    tensors.Add(TensorSource.From(info.Name, value));
                    continue;
                }
                Tensor scale = value.abs().amax([1], keepdim: true) / 127;
                tensors.Add(TensorSource.From(info.Name, (value / scale).round().to_type(ScalarType.Int8)));
                tensors.Add(TensorSource.From(info.Name + "_scale", scale));
            }
        SafetensorsWriter.Write(_folder.File("int8.safetensors"), tensors);
        using ICheckpoint opened = Checkpoint.OpenModel(_folder.File("int8.safetensors"));
        foreach (string name in random.Tensors.Keys) Comparison.RelativeL2(random.Read(name), opened.Read(name), 0.02, name);
        foreach (WeightFormat weights in new[] { WeightFormat.Float, WeightFormat.Int8 })
            WanCheckpoint.Load(opened, AttentionOptions.Dense, weights, Placement.Cpu,
                cancellationToken: TestContext.Current.CancellationToken).Dispose();
    }

    private static Tensor Text(string text) => tensor(Encoding.UTF8.GetBytes(text));
}
