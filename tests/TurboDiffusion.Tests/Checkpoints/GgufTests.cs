using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Keys;
using TurboDiffusion.Models;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Checkpoints;

public sealed class GgufTests : IDisposable
{
    private const uint F32 = GgufWriter.F32Type, Q8_0 = 8, Q4_K = 12;

    private readonly TestFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    /// <summary>Files that are refused, and what the message says.</summary>
    public static TheoryData<string, byte[], string> Bad
    {
        get
        {
            byte[] one = GgufWriter.F32([1]);
            GgufWriter Good() => new GgufWriter().Tensor("a", F32, [1], one);
            return new TheoryData<string, byte[], string>
            {
                { "version 1", new GgufWriter { Version = 1 }.Bytes(), "version 1" },
                { "big endian", new GgufWriter { Version = 0x03000000 }.Bytes(), "version" },
                { "2^63 tensors", new GgufWriter { ClaimedTensors = 1UL << 63 }.Bytes(), "9223372036854775808 tensors" },
                { "2^64 - 1 entries", new GgufWriter { ClaimedEntries = ulong.MaxValue }.Bytes(), "metadata entries" },
                { "more tensors than there are", new GgufWriter { ClaimedTensors = 2 }.Tensor("a", F32, [1], one).Bytes(),
                    "ends within its header" },
                { "a long text", Good().Entry("k", 8, [255, 255, 255, 255, 255, 255, 255, 127]).Bytes(), "bytes in a text" },
                { "an array of 2^63", Good().Entry("k", 9, GgufWriter.Array(8, 1UL << 63)).Bytes(), "array of" },
                { "an array of 2^63 numbers", Good().Entry("k", 9, GgufWriter.Array(12, 1UL << 63)).Bytes(), "ends within its header" },
                { "deep arrays", Good().Entry("k", 9, [.. Enumerable.Range(0, 9).SelectMany(_ => GgufWriter.Array(9, 1))]).Bytes(),
                    "arrays within arrays" },
                { "unknown metadata", Good().Entry("k", 77, 0).Bytes(), "metadata of type 77" },
                { "alignment 0", Good().Entry("general.alignment", 4, 0, 0, 0, 0).Bytes(), "alignment of 0" },
                { "alignment 48", Good().Entry("general.alignment", 4, 48, 0, 0, 0).Bytes(), "alignment of 48" },
                { "unknown type", new GgufWriter().Tensor("a", 99, [1], one).Bytes(), "GGUF type 99" },
                { "nine dimensions", new GgufWriter().Tensor("a", F32, [1, 1, 1, 1, 1, 1, 1, 1, 1], one).Bytes(), "9 dimensions" },
                { "a negative size", new GgufWriter().Tensor("a", F32, [-1], one).Bytes(), "with a size of" },
                { "2^62 rows", new GgufWriter().Tensor("a", F32, [1L << 62, 4], one).Bytes(), "cannot hold" },
                { "truncated", new GgufWriter().Tensor("a", F32, [2], one).Bytes(), "truncated" },
                { "beyond the end", new GgufWriter().Tensor("a", F32, [1], one, 1 << 20).Bytes(), "truncated" },
                { "an offset of 2^63", new GgufWriter().Tensor("a", F32, [1], one, 1UL << 63).Bytes(), "truncated" },
                { "not aligned", new GgufWriter().Tensor("a", F32, [1], [.. one, .. one, .. one], 4).Bytes(), "truncated" },
                { "overlapping", new GgufWriter().Tensor("a", F32, [16], new byte[64]).Tensor("b", F32, [1], one, 32).Bytes(),
                    "overlapping" },
                { "twice", Good().Tensor("a", F32, [1], one).Bytes(), "twice" },
                { "half a block", new GgufWriter().Tensor("a", Q4_K, [2, 128], new byte[144]).Bytes(), "blocks of 256" },
                { "another shape", Good().Entry("comfy.gguf.orig_shape.a", 9, GgufWriter.Array(5, 1, 2, 0, 0, 0)).Bytes(), "the shape of" },
                { "a shape of 2^63", Good().Entry("comfy.gguf.orig_shape.a", 9, GgufWriter.Array(10, 1, 0, 0, 0, 0, 0, 0, 0, 128)).Bytes(),
                    "the shape of" },
                { "a shape of halves", Good().Entry("comfy.gguf.orig_shape.a", 9, GgufWriter.Array(6, 1, 0, 0, 0, 0)).Bytes(),
                    "not in whole numbers" },
                { "a negative shape", Good().Entry("comfy.gguf.orig_shape.a", 9, GgufWriter.Array(5, 1, 255, 255, 255, 255)).Bytes(),
                    "the shape of" },
            };
        }
    }

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Bad))]
    public void Bad_files_are_refused(string file, byte[] bytes, string reason)
    {
        CheckpointException e = Assert.Throws<CheckpointException>(() => Checkpoint.Open(_folder.Write("bad.gguf", bytes)));
        Assert.True(e.Message.Contains(reason, StringComparison.Ordinal), $"{file}: {e.Message}");
    }

    [Fact]
    public void Metadata_is_read_and_vocabularies_are_passed_over()
    {
        byte[] words = GgufWriter.Array(8, 2, [2, 0, 0, 0, 0, 0, 0, 0, (byte)'a', (byte)'b', 0, 0, 0, 0, 0, 0, 0, 0]);
        using ICheckpoint file = Open(new GgufWriter().Entry("general.name", 8, [1, 0, 0, 0, 0, 0, 0, 0, (byte)'x'])
            .Entry("tokens", 9, words)
            .Entry("scores", 9, GgufWriter.Array(6, 2, new byte[8])).Entry("general.quantization_version", 4, 2, 0, 0, 0)
                .Tensor("a", F32, [1], GgufWriter.F32([3])));
        Assert.Equal(("x", "2", 2), (file.Metadata["general.name"], file.Metadata["general.quantization_version"], file.Metadata.Count));
        Assert.Equal(3, file.Read("a").item<float>());
    }

    [Theory]
    [InlineData(4u, 4)]
    [InlineData(5u, 4)]
    [InlineData(10u, 8)]
    [InlineData(11u, 8)]
    public void The_original_shape_is_in_any_type_of_whole_numbers(uint type, int bytes)
    {
        byte[] shape = [.. ((long[])[1, 2, 3]).SelectMany(size => BitConverter.GetBytes(size).Take(bytes))];
        using ICheckpoint file = Open(new GgufWriter().Entry("comfy.gguf.orig_shape.a", 9, GgufWriter.Array(type, 3, shape))
            .Tensor("a", F32, [2, 3], GgufWriter.F32([1, 2, 3, 4, 5, 6])));
        Assert.Equal([1, 2, 3], file.Read("a").shape);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(64)]
    [InlineData(4096)]
    public void Tensors_begin_at_the_files_own_alignment(int alignment)
    {
        GgufWriter writer = new GgufWriter { Alignment = alignment }.Entry("general.alignment", 4, BitConverter.GetBytes(alignment));
        for (int i = 1; i <= 3; i++) writer.Tensor($"{i}", F32, [i], GgufWriter.F32([.. Enumerable.Repeat((float)i, i)]));
        using ICheckpoint file = Open(writer);
        for (int i = 1; i <= 3; i++) Comparison.Exact(full([i], (float)i), file.Read($"{i}"), $"{i}");
    }

    [Fact]
    public void A_modulation_without_its_first_axis_is_one()
    {
        var config = new WanConfig(128, 256, 1, 1, inDim: 36, textDim: 32, freqDim: 32, imageDim: 16, imagePositions: 6);
        using var model = new WanModel(config, AttentionOptions.Dense, WeightFormat.Float, Placement.Meta);
        using ICheckpoint original = WanLayouts.Original.Inverse.Apply(new RandomCheckpoint(model, 3));
        var writer = new GgufWriter();
        foreach (TensorInfo info in original.Tensors.Values)
            writer.Tensor("model.diffusion_model." + info.Name, F32,
                [.. info.Shape is [1, _, _] ? info.Shape.Skip(1) : info.Shape],
                GgufWriter.F32(original.Read(info.Name).data<float>().ToArray()));
        using ICheckpoint opened = Checkpoint.OpenModel(_folder.Write("model.gguf", writer.Bytes()));
        foreach (string name in (string[])["blocks.0.modulation", "head.modulation", "img_emb.emb_pos"])
            Comparison.Exact(original.Read(name), opened.Read(name), name);
    }

    [Theory]
    [InlineData("")]
    [InlineData("model.diffusion_model.")]
    public void The_merged_axes_of_a_patch_embedding_are_told_by_its_bias(string prefix)
    {
        float[] values = [.. Enumerable.Range(0, 3 * 2 * 4).Select(i => (float)i)];
        using ICheckpoint file = Open(new GgufWriter().Tensor(prefix + "patch_embedding.weight", F32, [6, 1, 2, 2], GgufWriter.F32(values))
            .Tensor(prefix + "patch_embedding.bias", F32, [3], GgufWriter.F32([1, 2, 3]))
            .Tensor("other.weight", F32, [6, 1, 2, 2], GgufWriter.F32(values)));
        Comparison.Exact(tensor(values).reshape(3, 2, 1, 2, 2), file.Read(prefix + "patch_embedding.weight"), "patch embedding");
        Assert.Equal([6, 1, 2, 2], file.Tensors["other.weight"].Shape);
    }

    [Fact]
    public void A_patch_embedding_that_is_no_multiple_of_its_bias_stays_as_it_is()
    {
        using ICheckpoint file = Open(new GgufWriter().Tensor("patch_embedding.weight", F32, [6, 1, 2, 2], new byte[96])
            .Tensor("patch_embedding.bias", F32, [4], new byte[16]));
        Assert.Equal([6, 1, 2, 2], file.Tensors["patch_embedding.weight"].Shape);
    }

    [Fact]
    public void A_large_tensor_is_decoded_in_parts_that_fit_together()
    {
        // More than what is decoded between two reads, and no multiple of a task.
        const int Blocks = 300_001;
        byte[] block = GgufWriter.Q8([.. Enumerable.Range(0, 32).Select(i => (float)i)]), data = new byte[Blocks * block.Length];
        for (int i = 0; i < Blocks; i++)
        {
            block.CopyTo(data, i * block.Length);
            data[i * block.Length + 2] = (byte)(i % 100);
        }
        using ICheckpoint file = Open(new GgufWriter().Tensor("a", Q8_0, [Blocks, 32], data));
        Assert.Equal((data.Length, Blocks * 128L), (file.Tensors["a"].StoredByteCount, file.Tensors["a"].ByteCount));
        Tensor value = file.Read("a");
        float scale = (float)BitConverter.ToHalf(block);
        Comparison.Exact(arange(Blocks, ScalarType.Int64).remainder(100).to_type(ScalarType.Float32) * scale, value.select(1, 0),
            "first of each block");
        Comparison.Exact(full([Blocks], value[0, 31].item<float>()), value.select(1, 31), "last of each block");
    }

    [Fact]
    public void A_transformer_loads_in_float_and_in_int8()
    {
        var config = new WanConfig(128, 256, 1, 1, textDim: 32, freqDim: 32);
        using var model = new WanModel(config, AttentionOptions.Dense, WeightFormat.Float, Placement.Meta);
        var random = new RandomCheckpoint(model, 3);
        using ICheckpoint original = WanLayouts.Original.Inverse.Apply(random);
        var writer = new GgufWriter();
        foreach (TensorInfo info in original.Tensors.Values)
        {
            float[] values = original.Read(info.Name).data<float>().ToArray();
            bool quantized = info.Name.Contains("blocks.", StringComparison.Ordinal) && info.Shape.Count == 2;
            writer.Tensor(info.Name, quantized ? Q8_0 : F32, [.. info.Shape], quantized ? GgufWriter.Q8(values) : GgufWriter.F32(values));
        }
        string path = _folder.Write("model.gguf", writer.Bytes());
        using ICheckpoint opened = Checkpoint.OpenModel(path);
        foreach (TensorInfo info in random.Tensors.Values)
            Comparison.RelativeL2(random.Read(info.Name), opened.Read(info.Name), 0.01, info.Name);
        foreach (WeightFormat weights in new[] { WeightFormat.Float, WeightFormat.Int8 })
        {
            using WanModel loaded = WanCheckpoint.Load(opened, AttentionOptions.Dense, weights, Placement.Cpu,
                cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal(config, loaded.Config);
        }
        using ICheckpoint file = Checkpoint.Open(path);
        CheckpointReport report = CheckpointInspector.Inspect(file);
        Assert.Empty(report.Problems);
        Assert.Equal(10, report.Dtypes["Q8_0"]);
        Assert.True(report.Bytes < new FileInfo(path).Length);
    }

    [Theory]
    [InlineData(F32)]
    [InlineData(Q8_0)]
    public void A_text_encoder_of_llama_cpp_is_known(uint type)
    {
        using var encoder = new UMT5Encoder(new UMT5Config(64, 32, 32, 64, 2, 2), Placement.Meta);
        var random = new RandomCheckpoint(encoder, 3);
        using ICheckpoint foreign = UMT5Layouts.Gguf.Inverse.Apply(random);
        var writer = new GgufWriter();
        writer.Entry("general.architecture", 8, [9, 0, 0, 0, 0, 0, 0, 0, .. "t5encoder"u8]);
        foreach (TensorInfo info in foreign.Tensors.Values)
        {
            float[] values = foreign.Read(info.Name).data<float>().ToArray();
            // Matrices, the table of tokens among them; llama.cpp keeps the biases of positions and the norms.
            bool quantized = type == Q8_0 && info.Shape.Count == 2 && !info.Name.Contains("rel_b", StringComparison.Ordinal);
            writer.Tensor(info.Name, quantized ? Q8_0 : F32, [.. info.Shape], quantized ? GgufWriter.Q8(values) : GgufWriter.F32(values));
        }
        using ICheckpoint opened = Checkpoint.OpenModel(_folder.Write("t5.gguf", writer.Bytes()));
        Assert.Equal(new UMT5Config(64, 32, 32, 64, 2, 2), UMT5Config.FromCheckpoint(opened));
        foreach (string name in random.Tensors.Keys)
            Comparison.RelativeL2(random.Read(name), opened.Read(name), type == F32 ? 0 : 0.01, name);
        Assert.Contains("enc.blk.0.attn_q.weight", foreign.Tensors.Keys);
        Assert.Contains("token_embd.weight", foreign.Tensors.Keys);
        using var model = new UMT5Encoder(UMT5Config.FromCheckpoint(opened), Placement.Cpu);
        StrictLoader.Load(model, opened, cancellationToken: TestContext.Current.CancellationToken);
    }

    private ICheckpoint Open(GgufWriter writer) => Checkpoint.Open(_folder.Write("file.gguf", writer.Bytes()));
}
