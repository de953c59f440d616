using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Clip;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Tests.Checkpoints;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

/// <summary>Every preset and variant on the meta device against the published names, types and shapes, both ways.</summary>
public class ManifestTests
{
    public static TheoryData<string> Transformers => [.. Manifests.Transformers];

    [Theory]
    [MemberData(nameof(Transformers))]
    public void The_transformer_has_the_published_tensors(string manifest)
    {
        int dot = manifest.LastIndexOf('.');
        string variant = manifest[(dot + 1)..];
        using var model = new WanModel(ModelSpec.Find(manifest[..dot]).Transformer, variant == "original"
            ? AttentionOptions.Dense
            : AttentionOptions.Sla(),
            variant == "sla-quant" ? WeightFormat.Int8 : WeightFormat.Float, Placement.Meta);
        Check(manifest, model);
    }

    [Fact]
    public void The_VAE_has_the_published_tensors()
    {
        using var vae = new WanVae(VaeConfig.Wan21, Placement.Meta);
        Check(Manifests.Vae, vae);
    }

    [Fact]
    public void The_text_encoder_has_the_published_tensors()
    {
        using var encoder = new UMT5Encoder(UMT5Config.Xxl, Placement.Meta);
        Check(Manifests.TextEncoder, encoder);
    }

    [Theory]
    [InlineData(Manifests.ImageEncoder)]
    [InlineData(Manifests.TransformersImageEncoder)]
    public void The_image_encoder_has_the_published_tensors_in_either_layout(string manifest)
    {
        HeaderCheckpoint file = Manifests.Load(manifest);
        using var encoder = new ClipVisionEncoder(ClipConfig.ViTH14, Placement.Meta);
        CheckpointLayout layout = CheckpointLayout.Detect(file);
        Assert.Equal(ModelKind.ImageEncoder, layout.Kind);
        StrictLoader.Check(encoder, layout.Apply(file));
    }

    private static void Check(string manifest, nn.Module module)
    {
        var expected = Manifests.Load(manifest).Tensors.Values.Select(t => $"{t.Name} {t}").ToHashSet();
        var actual = module.state_dict().Select(t => $"{t.Key} {t.Value.dtype} [{string.Join(", ", t.Value.shape)}]").ToHashSet();
        Assert.NotEmpty(expected);
        Assert.Empty(expected.Except(actual));
        Assert.Empty(actual.Except(expected));
    }
}
