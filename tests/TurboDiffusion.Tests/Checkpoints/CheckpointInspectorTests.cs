using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Keys;
using TurboDiffusion.Models;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using Xunit;

namespace TurboDiffusion.Tests.Checkpoints;

public class CheckpointInspectorTests
{
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
        Assert.Equal(WanPreset.Find(parts[0]).Config, report.Transformer);
        Assert.Equal(ModelKind.Transformer, report.Layout?.Kind);
        Assert.Equal(file.Tensors.Count, report.TensorCount);
        Assert.Equal(file.Tensors.Values.Sum(t => t.ByteCount), report.Bytes);
        Assert.Equal(parts[0] == "Wan2.2-I2V-A14B", report.Note is not null);
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
}
