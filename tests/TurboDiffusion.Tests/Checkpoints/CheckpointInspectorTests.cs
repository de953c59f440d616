using CsCheck;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Keys;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Clip;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using Xunit;

namespace TurboDiffusion.Tests.Checkpoints;

public class CheckpointInspectorTests
{
    private static readonly long[] Sizes = [0, 1, 2, 128, 1536, 1L << 31, 1L << 40];

    public static TheoryData<string> Transformers() => [.. Manifests.Transformers];

    [Theory]
    [MemberData(nameof(Transformers))]
    public void A_transformers_preset_and_variant_are_told_from_its_header(string manifest)
    {
        string[] parts = [manifest[..manifest.LastIndexOf('.')], manifest[(manifest.LastIndexOf('.') + 1)..]];
        HeaderCheckpoint file = Manifests.Load(manifest);
        CheckpointReport report = CheckpointInspector.Inspect(file);
        Assert.Empty(report.Problems);
        Assert.Equal(parts[0], report.Preset);
        Assert.Equal(parts[1], report.Variant?.Name);
        Assert.Equal(ModelSpec.Find(parts[0]).Transformer, report.Transformer);
        Assert.Equal(ModelKind.Transformer, report.Layout?.Kind);
        Assert.Equal(file.Tensors.Count, report.TensorCount);
        Assert.Equal(file.Tensors.Values.Sum(t => t.ByteCount), report.Bytes);
        Assert.Equal(parts[0] switch
        {
            "Wan2.2-I2V-A14B" => "It is one of the two experts of Wan2.2-I2V-A14B; shapes do not tell which.",
            "Wan2.1-I2V-14B-480P" => "It is Wan2.1-I2V-14B-480P or Wan2.1-I2V-14B-720P; shapes do not tell which.",
            "Wan2.1-T2V-14B" => "It is Wan2.1-T2V-14B or one of the two experts of Wan2.2-T2V-A14B; shapes do not tell which.",
            _ => null,
        }, report.Note);
    }

    [Fact]
    public void A_diffusers_file_is_the_same_model()
    {
        ICheckpoint file = WanLayouts.Diffusers.Inverse.Apply(Manifests.Load("Wan2.1-T2V-1.3B.original"));
        CheckpointReport report = CheckpointInspector.Inspect(file);
        Assert.Empty(report.Problems);
        Assert.Equal("Wan2.1-T2V-1.3B", report.Preset);
        Assert.Equal("diffusers", report.Layout?.ToString());
    }

    [Fact]
    public void The_VAE_and_the_text_encoder_are_told_from_their_headers()
    {
        CheckpointReport vae = CheckpointInspector.Inspect(Manifests.Load(Manifests.Vae));
        Assert.Empty(vae.Problems);
        Assert.Equal((CheckpointInspector.VaePreset, VaeConfig.Wan21), (vae.Preset, vae.Vae));
        CheckpointReport text = CheckpointInspector.Inspect(Manifests.Load(Manifests.TextEncoder));
        Assert.Empty(text.Problems);
        Assert.Equal((CheckpointInspector.TextEncoderPreset, UMT5Config.Xxl), (text.Preset, text.TextEncoder));
    }

    [Theory]
    [InlineData(Manifests.ImageEncoder, "original Wan CLIP")]
    [InlineData(Manifests.TransformersImageEncoder, "transformers CLIPVisionModel")]
    public void The_image_encoder_is_told_from_its_header_in_either_layout(string manifest, string layout)
    {
        CheckpointReport report = CheckpointInspector.Inspect(Manifests.Load(manifest));
        Assert.Empty(report.Problems);
        Assert.Equal((CheckpointInspector.ImageEncoderPreset, ClipConfig.ViTH14, layout),
            (report.Preset, report.ImageEncoder, report.Layout?.ToString()));
        ClipConfig published = ClipConfig.ViTH14;
        Assert.Equal((224, 257, 80), (published.ImageSize, published.Tokens, published.Dim / published.NumHeads));
    }

    [Fact]
    public void What_is_missing_or_misshapen_is_a_problem()
    {
        TensorInfo[] tensors = [.. Manifests.Load("Wan2.1-T2V-1.3B.original").Tensors.Values];
        CheckpointReport missing = CheckpointInspector.Inspect(new HeaderCheckpoint(tensors.Where(t => t.Name != "blocks.3.norm3.bias")));
        Assert.Contains("1 missing: blocks.3.norm3.bias", Assert.Single(missing.Problems));
        CheckpointReport misshapen = CheckpointInspector.Inspect(new HeaderCheckpoint(
            tensors.Select(t => t.Name == "blocks.3.norm3.bias" ? t with { Shape = [1] } : t)));
        Assert.Contains("blocks.3.norm3.bias (found Float32 [1], expected Float32 [1536])", Assert.Single(misshapen.Problems));
        CheckpointReport unknown = CheckpointInspector.Inspect(new HeaderCheckpoint([new TensorInfo("x", torch.ScalarType.Int8, [3])]));
        Assert.Null(unknown.Layout);
        Assert.Contains("no known model", Assert.Single(unknown.Problems));
        Assert.Equal(3, unknown.Bytes);
    }

    // Chosen by chance, and what chance once found: a level without blocks.
    [Theory]
    [InlineData(null)]
    [InlineData("0-qOlJ-OGhz1")]
    [InlineData("0ZVc_j_6PKM1")]
    [InlineData("dq-w9YhvYB91")]
    public void A_header_of_any_names_and_shapes_makes_a_report(string? seed)
    {
        TensorInfo[][] files = [.. ((string[])["Wan2.1-T2V-1.3B.sla-quant", Manifests.Vae, Manifests.TextEncoder, Manifests.ImageEncoder])
            .Select(m => Manifests.Load(m).Tensors.Values.ToArray())];
        Gen<IReadOnlyList<long>> shape = Gen.Int[0, Sizes.Length - 1].Select(i => Sizes[i]).Array[0, 4].Select(s => (IReadOnlyList<long>)s);
        (from file in Gen.Int[0, files.Length - 1]
         from edits in Gen.Select(Gen.Int[0, 2000], Gen.Int[0, 3], shape).Array[1, 3]
         select (file, edits)).Sample(
            sample =>
            {
                var tensors = files[sample.file].ToDictionary(t => t.Name);
                string[] names = [.. tensors.Keys];
                foreach ((int at, int kind, IReadOnlyList<long> newShape) in sample.edits)
                {
                    TensorInfo tensor = files[sample.file][at % names.Length];
                    if (kind == 0) tensors.Remove(tensor.Name);
                    else if (kind == 1) tensors["blocks.7777.modulation"] = tensor with { Name = "blocks.7777.modulation" };
                    else if ((tensor with { Shape = newShape }).HasSaneSize) tensors[tensor.Name] = tensor with { Shape = newShape };
                }
                CheckpointReport report = CheckpointInspector.Inspect(new HeaderCheckpoint(tensors.Values));
                Assert.All(report.Problems, problem => Assert.DoesNotContain('\n', problem));
            },
            seed: seed, iter: 60, threads: 1);
    }

    [Fact]
    public void Many_blocks_with_little_in_them_are_not_built()
    {
        var file = new HeaderCheckpoint(Manifests.Load("Wan2.1-T2V-1.3B.original").Tensors.Values.Concat(
            Enumerable.Range(30, 50_000).Select(n => new TensorInfo($"blocks.{n}.modulation", torch.ScalarType.Float32, [1, 6, 1536]))));
        Assert.Contains("tensors in 50030 blocks, fewer than any model", Assert.Single(CheckpointInspector.Inspect(file).Problems));
    }
}
