using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Keys;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Clip;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Tests.Checkpoints;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

/// <summary>The image branch of Wan 2.1 image to video. Its numbers are held by the golden cases.</summary>
public class ImageBranchTests
{
    private static readonly WanConfig OneImage = new(128, 256, 2, 2, inDim: 36, textDim: 32, freqDim: 32, imageDim: 24),
        TwoImages = new(128, 256, 2, 2, inDim: 36, textDim: 32, freqDim: 32, imageDim: 24, imagePositions: 10);

    [Fact]
    public void The_image_counts_and_one_serves_a_batch()
    {
        using var scope = NewDisposeScope();
        using WanModel model = Model(OneImage, AttentionOptions.Dense, WeightFormat.Float);
        Tensor text = Normal(1, 2, 7, 32), image = Normal(2, 1, 5, 24), x = Normal(3, 2, 36, 2, 4, 6), t = tensor(new[] { 900f, 300f });
        Tensor both = model.Forward(x, t, model.PrepareContext(text, image));
        for (int i = 0; i < 2; i++)
            Comparison.RelativeL2(
                model.Forward(x.narrow(0, i, 1), t.narrow(0, i, 1), model.PrepareContext(text.narrow(0, i, 1), image)),
                both.narrow(0, i, 1), 1e-5, $"member {i}");
        Tensor other = model.Forward(x, t, model.PrepareContext(text, -image));
        Assert.True((both - other).abs().max().item<float>() > 1e-3);
    }

    [Fact]
    public void Of_two_images_the_first_and_the_last_are_told_apart()
    {
        using var scope = NewDisposeScope();
        using WanModel model = Model(TwoImages, AttentionOptions.Dense, WeightFormat.Float);
        Tensor text = Normal(1, 1, 7, 32), first = Normal(2, 1, 5, 24), last = Normal(4, 1, 5, 24), x = Normal(3, 1, 36, 2, 4, 6);
        Tensor Velocity(Tensor a, Tensor b) =>
            model.Forward(x, tensor(new[] { 900f }), model.PrepareContext(text, cat([a, b], dim: 1)));
        Assert.True((Velocity(first, last) - Velocity(last, first)).abs().max().item<float>() > 1e-4);
        Assert.Contains("[B, 10, 24]", Assert.Throws<ArgumentException>(() => model.PrepareContext(text, first)).Message);
    }

    [Theory]
    [InlineData(AttentionKind.Dense, WeightFormat.Int8)]
    [InlineData(AttentionKind.Sla, WeightFormat.Float)]
    [InlineData(AttentionKind.SageSla, WeightFormat.Int8)]
    public void It_runs_sparsely_and_in_int8(AttentionKind kind, WeightFormat weights)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        // All blocks kept: what is left of the difference is that of the number formats.
        using WanModel plain = Model(OneImage, AttentionOptions.Dense, WeightFormat.Float),
            fast = Model(OneImage, AttentionOptions.Of(kind, 1), weights);
        Tensor text = Normal(1, 1, 7, 32), image = Normal(2, 1, 5, 24), x = Normal(3, 1, 36, 2, 8, 8), t = tensor(new[] { 700f });
        Comparison.RelativeL2(plain.Forward(x, t, plain.PrepareContext(text, image)), fast.Forward(x, t, fast.PrepareContext(text, image)),
            0.05, $"{kind}, {weights}");
        Assert.Equal(weights == WeightFormat.Int8, fast.state_dict().ContainsKey("blocks.1.cross_attn.v_img.int8_weight"));
    }

    [Fact]
    public void An_image_is_given_where_there_is_a_branch_and_there_alone()
    {
        using var scope = NewDisposeScope();
        using WanModel with = Model(OneImage, AttentionOptions.Dense, WeightFormat.Float),
            without = Model(new WanConfig(128, 256, 2, 2, textDim: 32, freqDim: 32), AttentionOptions.Dense, WeightFormat.Float);
        Tensor text = Normal(1, 1, 7, 32), image = Normal(2, 1, 5, 24);
        Assert.Contains("image branch", Assert.Throws<ArgumentException>(() => with.PrepareContext(text)).Message);
        Assert.Contains("no image branch", Assert.Throws<ArgumentException>(() => without.PrepareContext(text, image)).Message);
        Assert.Contains("[B, S, 24]", Assert.Throws<ArgumentException>(() => with.PrepareContext(text, image.narrow(2, 0, 20))).Message);
    }

    [Fact]
    public void Activations_can_be_recomputed_with_an_image()
    {
        using var scope = NewDisposeScope();
        using WanModel model = Model(OneImage, AttentionOptions.Dense, WeightFormat.Float);
        Tensor text = Normal(1, 1, 7, 32), image = Normal(2, 1, 5, 24), x = Normal(3, 1, 36, 2, 4, 6), t = tensor(new[] { 700f });
        Tensor plain = Gradient();
        model.RecomputesActivations = true;
        Comparison.RelativeL2(plain, Gradient(), 1e-5, "gradient of the image's key layer");

        Tensor Gradient()
        {
            TorchSharp.Modules.Parameter weight = model.get_parameter("blocks.1.cross_attn.k_img.weight")!;
            weight.requires_grad = true;
            weight.grad = null;
            model.Forward(x, t, model.PrepareContext(text, image)).square().mean().backward();
            return weight.grad!.clone();
        }
    }

    [Fact]
    public void The_encoders_queries_keys_and_values_are_joined_from_a_file_that_keeps_them_apart()
    {
        using var scope = NewDisposeScope();
        var sizes = new ClipConfig(16, 24, 2, 2, 4, 2);
        using var encoder = new ClipVisionEncoder(sizes, Placement.Cpu);
        using var values = new RandomCheckpoint(encoder, 3);
        (string Name, Tensor Value)[] native = [.. values.Tensors.Keys.Select(n => (n, values.Read(n)))];
        StrictLoader.Load(encoder, new MemoryCheckpoint(native));
        // As transformers writes them.
        var apart = new List<(string, Tensor)>
        {
            ("vision_model.embeddings.position_ids", arange(5).unsqueeze(0)), ("vision_model.post_layernorm.weight", ones(16)),
            ("vision_model.post_layernorm.bias", zeros(16)), ("visual_projection.weight", ones(8, 16)),
        };
        foreach ((string name, Tensor value) in native)
        {
            if (!name.Contains(".to_qkv.", StringComparison.Ordinal))
            {
                apart.Add(Foreign(name, value));
                continue;
            }
            Tensor[] rows = value.chunk(3, dim: 0);
            for (int i = 0; i < 3; i++)
                apart.Add(Foreign(name.Replace("to_qkv", "qkv".Substring(i, 1), StringComparison.Ordinal), rows[i]));
        }
        var file = new MemoryCheckpoint([.. apart]);
        using ICheckpoint view = CheckpointLayout.Detect(file).Apply(file);
        using var loaded = new ClipVisionEncoder(sizes, Placement.Cpu);
        StrictLoader.Load(loaded, view);
        Tensor image = Normal(5, 1, 3, 9, 13);
        Comparison.Exact(encoder.Encode(image), loaded.Encode(image), "tokens");

        var broken = new MemoryCheckpoint([.. apart.Where(t => t.Item1 != "vision_model.encoder.layers.1.self_attn.k_proj.bias")]);
        Assert.Contains("transformer.1.attn.k.bias",
            Assert.Throws<CheckpointException>(() => CheckpointLayout.Detect(broken).Apply(broken)).Message);

        static (string, Tensor) Foreign(string name, Tensor value)
        {
            using ICheckpoint one = new MemoryCheckpoint((name, value));
            foreach (KeyRule rule in ClipLayouts.Transformers.Rules.Where(r => !r.Dropped))
            {
                var rules = new KeyRuleSet("one", rule.Inverse);
                if (rules.Problems(one).Count > 0) continue;
                ICheckpoint renamed = rules.Apply(one);
                string foreign = renamed.Tensors.Keys.Single();
                return (foreign, renamed.Read(foreign));
            }
            throw new InvalidOperationException(name);
        }
    }

    private static Tensor Normal(ulong seed, params long[] shape) => randn(shape, generator: new Generator(seed));

    private static WanModel Model(WanConfig config, AttentionOptions attention, WeightFormat weights)
    {
        using var shapes = new WanModel(config, AttentionOptions.Dense, WeightFormat.Float, Placement.Meta);
        using var random = new RandomCheckpoint(shapes, 1, metadata: WanCheckpoint.Metadata(config));
        using ICheckpoint visible = new VisiblePositions(random);
        return WanCheckpoint.Load(visible, attention, weights, Placement.Cpu);
    }

    // Learned positions large enough to be seen.
    private sealed class VisiblePositions(ICheckpoint inner) : CheckpointView(inner)
    {
        public override IReadOnlyDictionary<string, TensorInfo> Tensors => Inner.Tensors;

        public override Tensor Read(string name) => name == "img_emb.emb_pos" ? Inner.Read(name).mul_(10) : Inner.Read(name);
    }
}
