using CsCheck;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Keys;
using Xunit;

namespace TurboDiffusion.Tests.Checkpoints;

public class KeyRuleTests
{
    public static TheoryData<string> Transformers() => [.. Manifests.Transformers];

    [Theory]
    [MemberData(nameof(Transformers))]
    public void Turbo_files_keep_their_names(string manifest)
    {
        HeaderCheckpoint expected = Manifests.Load(manifest);
        Assert.Equal(HeaderCheckpoint.Describe(expected), HeaderCheckpoint.Describe(WanLayouts.Turbo.Apply(expected)));
    }

    [Theory]
    [MemberData(nameof(Transformers))]
    public void Wan_names_go_to_every_layout_and_come_back(string manifest)
    {
        HeaderCheckpoint native = Manifests.Load(manifest);
        foreach (KeyRuleSet layout in WanLayouts.All)
        {
            if (layout == WanLayouts.Diffusers && !manifest.EndsWith(".original", StringComparison.Ordinal))
                Assert.Contains("match no rule: 'blocks.0.self_attn.",
                    Assert.Throws<CheckpointException>(() => layout.Inverse.Apply(native)).Message);
            else
                RoundTrip(layout, WanLayouts.All, native);
        }
    }

    [Fact]
    public void VAE_and_umT5_names_go_to_every_layout_and_come_back()
    {
        foreach (KeyRuleSet layout in VaeLayouts.All) RoundTrip(layout, VaeLayouts.All, Manifests.VaeOf(layout));
        foreach (KeyRuleSet layout in UMT5Layouts.All) RoundTrip(layout, UMT5Layouts.All, Manifests.Load(Manifests.TextEncoder));
    }

    [Theory]
    [InlineData("blocks.29.attn2.to_out.0.bias", "blocks.29.cross_attn.o.bias")]
    [InlineData("blocks.7.attn1.norm_k.weight", "blocks.7.self_attn.norm_k.weight")]
    [InlineData("blocks.0.norm2.weight", "blocks.0.norm3.weight")]
    [InlineData("blocks.0.scale_shift_table", "blocks.0.modulation")]
    [InlineData("scale_shift_table", "head.modulation")]
    [InlineData("blocks.3.ffn.net.0.proj.weight", "blocks.3.ffn.0.weight")]
    [InlineData("condition_embedder.time_embedder.linear_2.bias", "time_embedding.2.bias")]
    public void Diffusers_names_are_those_of_its_transformer(string foreign, string native) =>
        Assert.Equal(foreign, ForeignName(WanLayouts.Diffusers, Manifests.Load("Wan2.1-T2V-1.3B.original").Tensors[native]));

    [Theory]
    [InlineData("condition_embedder.image_embedder.norm1.weight", "img_emb.proj.0.weight")]
    [InlineData("condition_embedder.image_embedder.ff.net.0.proj.bias", "img_emb.proj.1.bias")]
    [InlineData("condition_embedder.image_embedder.ff.net.2.weight", "img_emb.proj.3.weight")]
    [InlineData("condition_embedder.image_embedder.norm2.bias", "img_emb.proj.4.bias")]
    [InlineData("condition_embedder.image_embedder.pos_embed", "img_emb.emb_pos")]
    [InlineData("blocks.39.attn2.add_k_proj.weight", "blocks.39.cross_attn.k_img.weight")]
    [InlineData("blocks.0.attn2.add_v_proj.bias", "blocks.0.cross_attn.v_img.bias")]
    [InlineData("blocks.7.attn2.norm_added_k.weight", "blocks.7.cross_attn.norm_k_img.weight")]
    public void Diffusers_names_are_those_of_its_image_branch(string foreign, string native) =>
        Assert.Equal(foreign, ForeignName(WanLayouts.Diffusers, Manifests.Load("Wan2.1-FLF2V-14B-720P.original").Tensors[native]));

    [Theory]
    [InlineData("decoder.up_blocks.1.resnets.0.conv_shortcut.weight", "decoder.upsamples.4.shortcut.weight")]
    [InlineData("decoder.up_blocks.2.upsamplers.0.resample.1.bias", "decoder.upsamples.11.resample.1.bias")]
    [InlineData("decoder.up_blocks.3.resnets.2.norm2.gamma", "decoder.upsamples.14.residual.3.gamma")]
    [InlineData("encoder.down_blocks.8.time_conv.weight", "encoder.downsamples.8.time_conv.weight")]
    [InlineData("encoder.mid_block.resnets.1.conv2.weight", "encoder.middle.2.residual.6.weight")]
    [InlineData("post_quant_conv.bias", "conv2.bias")]
    public void Diffusers_names_are_those_of_its_autoencoder(string foreign, string native) =>
        Assert.Equal(foreign, ForeignName(VaeLayouts.Diffusers, Manifests.Load(Manifests.Vae).Tensors[native]));

    [Theory]
    [InlineData("encoder.block.23.layer.1.DenseReluDense.wi_0.weight", "blocks.23.ffn.gate.0.weight")]
    [InlineData("encoder.block.5.layer.0.SelfAttention.relative_attention_bias.weight", "blocks.5.pos_embedding.embedding.weight")]
    public void Transformers_names_are_those_of_its_encoder(string foreign, string native) =>
        Assert.Equal(foreign, ForeignName(UMT5Layouts.Transformers, Manifests.Load(Manifests.TextEncoder).Tensors[native]));

    [Fact]
    public void Numbers_survive_the_change_of_the_patch_embeddings_shape()
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor convolution = torch.arange(2 * 3 * 4, torch.ScalarType.Float32).reshape(2, 3, 1, 2, 2);
        var rules = new KeyRuleSet("test", new KeyRule("a", "b") { Reshape = TensorReshape.PatchConvolution });
        using ICheckpoint view = rules.Apply(new MemoryCheckpoint(("a", convolution)));
        Comparison.Exact(convolution.reshape(2, 12), view.Read("b"), "b");
        using ICheckpoint back = rules.Inverse.Apply(view);
        Comparison.Exact(convolution, back.Read("a"), "a");
    }

    [Fact]
    public void Unknown_and_missing_names_are_listed()
    {
        var names = new KeyRuleSet("test", new KeyRule("{x:a|b}", "{x}"), KeyRule.Same("c"), KeyRule.Same("d") with { Optional = true });
        CheckpointException e = Assert.Throws<CheckpointException>(() => names.Apply(Header("a", "e", "a.x")));
        Assert.Contains("2 names match no rule: 'e', 'a.x'; 1 expected names are missing: c", e.Message);
        var merging = new KeyRuleSet("test", new KeyRule("{x:a|b}", "c"));
        Assert.Contains("given twice: 'c'", Assert.Throws<CheckpointException>(() => merging.Apply(Header("a", "b"))).Message);
    }

    [Theory]
    [InlineData("net.", "net.a net.b", "a b")]
    [InlineData("net_ema.", "net.a net_ema.a net_fake_score.a", "a")]
    [InlineData("net.", "net.a net_teacher.a", "a")]
    [InlineData("module.net.", "module.net.a module.net.b", "a b")]
    [InlineData("model.diffusion_model.", "model.diffusion_model.a", "a")]
    [InlineData("model.", "model.a model.b", "a b")]
    [InlineData("_orig_mod.model.", "_orig_mod.model.a", "a")]
    [InlineData("pipe.dit.", "pipe.dit.a", "a")]
    [InlineData("", "net.a b", "net.a b")]
    [InlineData("", "network.a", "network.a")]
    [InlineData("", "", "")]
    public void Prefixes_that_all_names_have_are_removed(string prefix, string names, string expected)
    {
        (ICheckpoint view, string found) = KeyPrefix.Strip(Header(names.Split(' ', StringSplitOptions.RemoveEmptyEntries)));
        Assert.Equal(prefix, found);
        Assert.Equal(expected.Split(' ', StringSplitOptions.RemoveEmptyEntries), view.Tensors.Keys);
    }

    [Fact]
    public void Every_layout_is_a_bijection_on_any_part_of_the_names()
    {
        (KeyRuleSet Layout, TensorInfo[] Tensors)[] cases =
        [
            .. WanLayouts.All.Select(l => (l, Tensors("Wan2.2-I2V-A14B.original"))),
            .. VaeLayouts.All.Select(l => (l, Manifests.VaeOf(l).Tensors.Values.ToArray())),
            .. UMT5Layouts.All.Select(l => (l, Tensors(Manifests.TextEncoder))),
        ];
        (from c in Gen.Int[0, cases.Length - 1] from seed in Gen.Int select (c, seed)).Sample(
            pick =>
            {
                (KeyRuleSet layout, TensorInfo[] tensors) = cases[pick.c];
                var random = new Random(pick.seed);
                TensorInfo[] part = [.. tensors.Where(_ => random.Next(8) == 0)];
                KeyRuleSet open = Open(layout);
                ICheckpoint there = open.Inverse.Apply(new HeaderCheckpoint(part));
                Assert.Equal(part.Length, there.Tensors.Count);
                Assert.Equal(HeaderCheckpoint.Describe(new HeaderCheckpoint(part)), HeaderCheckpoint.Describe(open.Apply(there)));
            },
            iter: 24);

        static TensorInfo[] Tensors(string manifest) => [.. Manifests.Load(manifest).Tensors.Values];
    }

    private static void RoundTrip(KeyRuleSet layout, IReadOnlyList<KeyRuleSet> all, HeaderCheckpoint native)
    {
        ICheckpoint foreign = layout.Inverse.Apply(native);
        Assert.Equal(native.Tensors.Count, foreign.Tensors.Count);
        Assert.Equal(HeaderCheckpoint.Describe(native), HeaderCheckpoint.Describe(layout.Apply(foreign)));
        Assert.Equal([layout.Name], all.Where(l => l.Fits(foreign)).Select(l => l.Name));
    }

    private static string ForeignName(KeyRuleSet layout, TensorInfo native) =>
        Open(layout).Inverse.Apply(new HeaderCheckpoint([native])).Tensors.Keys.Single();

    // The same rules, none of which must be used.
    private static KeyRuleSet Open(KeyRuleSet layout) => new(layout.Name, layout.Rules.Select(rule => rule with { Optional = true }));

    private static HeaderCheckpoint Header(params string[] names) =>
        new(names.Select(name => new TensorInfo(name, torch.ScalarType.Float32, [1])));
}
