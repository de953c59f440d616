using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation.Text;
using TurboDiffusion.Models;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Tests.Golden;
using Xunit;

namespace TurboDiffusion.Tests.Models.UMT5;

/// <summary>The text encoder with int8 weights: how far its embedding is off, and that a file of it is as good as a float one.</summary>
public class UMT5Int8Tests
{
    // Of random weights, whose scores nothing keeps small: bfloat16 alone is 0.044 off. docs/performance.md has these numbers.
    [Fact]
    public void The_embedding_of_the_official_code_is_near()
    {
        using var scope = torch.NewDisposeScope();
        using var golden = new GoldenCase(GoldenFixtures.Require("umt5-encoder-f32.safetensors"));
        using ICheckpoint weights = golden.Weights();
        using UMT5Encoder encoder = UMT5Checkpoint.Load(weights, WeightFormat.Int8, Placement.Cpu);
        Check(golden.Output("embedding"), encoder.Encode(golden.Input("ids"), golden.Input("mask")), golden.Input("mask"),
            relative: 0.075, cosine: 0.99);
    }

    // The encoder that comes with the embedded model, which was trained: bfloat16 alone is 0.006 off.
    [Theory]
    [InlineData("a red circle moves to the right on a black background")]
    [InlineData("two blue squares")]
    public void The_embedding_of_a_trained_encoder_is_near(string prompt)
    {
        using var scope = torch.NewDisposeScope();
        string folder = Path.Combine(Repository.Root, "src", "TurboDiffusion.Models.Shapes", "models", "shapes");
        using ICheckpoint weights = Checkpoint.OpenModel(Path.Combine(folder, "text_encoder.safetensors"));
        ITokenizer tokenizer = SentencePieceTextTokenizer.Open(Path.Combine(folder, "spiece.model"), 64);
        using UMT5Encoder floats = UMT5Checkpoint.Load(weights, WeightFormat.Float, Placement.Cpu),
            ints = UMT5Checkpoint.Load(weights, WeightFormat.Int8, Placement.Cpu);
        torch.Tensor Encode(ITextEncoder encoder) => PromptEncoding.Encode([prompt], tokenizer, encoder, torch.CPU);
        torch.Tensor mask = (torch.arange(64) < tokenizer.Encode(prompt).Length).unsqueeze(0);
        Check(Encode(floats), Encode(ints), mask, relative: 0.02, cosine: 0.9995);
    }

    [Fact]
    public void A_file_in_int8_gives_the_same_bits_as_quantizing_a_float_one()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        string path = Path.Combine(folder.Path, "int8.safetensors");
        using var floats = new SmallUMT5();
        SafetensorsWriter.Write(path, TensorSource.From(UMT5Checkpoint.Int8Layers.As(floats, WeightFormat.Int8)));
        using ICheckpoint file = Checkpoint.OpenModel(path);
        Assert.Equal(WeightFormat.Int8, UMT5Checkpoint.Int8Layers.FormatOf(file));
        Assert.Equal(SmallUMT5.Config, UMT5Config.FromCheckpoint(file));
        CheckpointReport report = CheckpointInspector.Inspect(file);
        Assert.Equal((WeightFormat.Int8, SmallUMT5.Config), (report.TextEncoderWeights, report.TextEncoder));
        Assert.Empty(report.Problems);

        (torch.Tensor ids, torch.Tensor mask) = SmallUMT5.Batch(20, 5, 13);
        using UMT5Encoder quantized = UMT5Checkpoint.Load(floats, WeightFormat.Int8, Placement.Cpu),
            read = UMT5Checkpoint.Load(file, WeightFormat.Int8, Placement.Cpu),
            dequantized = UMT5Checkpoint.Load(file, WeightFormat.Float, Placement.Cpu);
        using var streamed = new StreamedUMT5Encoder(file, SmallUMT5.Config, Placement.Cpu, WeightFormat.Int8);
        torch.Tensor expected = quantized.Encode(ids, mask);
        Comparison.Exact(expected, read.Encode(ids, mask), "from the file");
        Comparison.Exact(expected, streamed.Encode(ids, mask), "streamed from the file");
        // The scales enter before the sums in place of after them.
        Comparison.RelativeL2(expected, dequantized.Encode(ids, mask), 1e-4, "dequantized");
    }

    [Fact]
    public void Scales_of_another_shape_are_refused()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        string path = Path.Combine(folder.Path, "blocks.safetensors");
        using var floats = new SmallUMT5();
        // As though its scales were those of blocks.
        SafetensorsWriter.Write(path, [.. TensorSource.From(UMT5Checkpoint.Int8Layers.As(floats, WeightFormat.Int8)).Select(t =>
            t.Info.Name != "blocks.0.attn.q.scale" ? t
                : new TensorSource(new TensorInfo(t.Info.Name, torch.ScalarType.Float32, [1, 1]), () => torch.ones(1, 1)))]);
        using ICheckpoint file = Checkpoint.OpenModel(path);
        Assert.Contains("blocks.0.attn.q.scale",
            Assert.Throws<CheckpointException>(() => UMT5Checkpoint.Load(file, WeightFormat.Int8, Placement.Cpu)).Message);
        Assert.Contains("blocks.0.attn.q.scale",
            Assert.Throws<CheckpointException>(() => UMT5Checkpoint.Load(file, WeightFormat.Float, Placement.Cpu)).Message);
    }

    [Fact]
    public void In_bfloat16_the_embedding_is_near_the_float32_one()
    {
        using var scope = torch.NewDisposeScope();
        using var checkpoint = new SmallUMT5();
        using UMT5Encoder encoder = UMT5Checkpoint.Load(checkpoint, WeightFormat.Int8, Placement.Cpu),
            half = UMT5Checkpoint.Load(checkpoint, WeightFormat.Int8, Placement.Cpu with { Dtype = torch.ScalarType.BFloat16 });
        (torch.Tensor ids, torch.Tensor mask) = SmallUMT5.Batch(16, 5, 9);
        torch.Tensor embedding = half.Encode(ids, mask);
        Assert.Equal(torch.ScalarType.BFloat16, embedding.dtype);
        Comparison.RelativeL2(encoder.Encode(ids, mask), embedding, 0.03, "embedding");
    }

    // Relative L2 of the whole, and the cosine of the worst token.
    private static void Check(torch.Tensor expected, torch.Tensor actual, torch.Tensor mask, double relative, double cosine)
    {
        double error = Comparison.RelativeL2(expected, actual, relative, "embedding");
        Assert.True(error > 1e-4, "nothing was rounded");
        double worst = torch.nn.functional.cosine_similarity(expected, actual, 2, 1e-8).masked_select(mask.gt(0)).min().item<float>();
        Assert.True(worst >= cosine, $"The worst token's cosine is {worst}; expected at least {cosine}.");
    }
}
