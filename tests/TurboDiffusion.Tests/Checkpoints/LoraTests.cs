using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Keys;
using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Int8;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Checkpoints;

public sealed class LoraTests : IDisposable
{
    private readonly Generator _random = new(1);

    private const string Layer = "blocks.0.cross_attn.o";

    private static readonly WanConfig Config = new(64, 128, 1, 1, textDim: 32, freqDim: 32),
        ImageConfig = new(64, 128, 1, 1, inDim: 36, textDim: 32, freqDim: 32, imageDim: 48);

    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly TestFolder _folder = new();
    private readonly Tensor _down = randn(4, 64, generator: new Generator(1)), _up = randn(64, 4, generator: new Generator(2));

    /// <summary>What the matrices and the alpha of <see cref="Layer"/> are called in each layout.</summary>
    public static TheoryData<string, string, string> Layouts => new()
    {
        { $"diffusion_model.{Layer}.lora_down.weight", $"diffusion_model.{Layer}.lora_up.weight", $"diffusion_model.{Layer}.alpha" },
        { $"diffusion_model.{Layer}.lora_A.weight", $"diffusion_model.{Layer}.lora_B.weight", $"diffusion_model.{Layer}.alpha" },
        { $"model.diffusion_model.{Layer}.lora.down.weight", $"model.diffusion_model.{Layer}.lora.up.weight",
            $"model.diffusion_model.{Layer}.alpha" },
        { "lora_unet_blocks_0_cross_attn_o.lora_down.weight", "lora_unet_blocks_0_cross_attn_o.lora_up.weight",
            "lora_unet_blocks_0_cross_attn_o.alpha" },
        { "lora_unet__blocks_0_cross_attn_o.lora_down.weight", "lora_unet__blocks_0_cross_attn_o.lora_up.weight",
            "lora_unet__blocks_0_cross_attn_o.alpha" },
        { "transformer.blocks.0.attn2.to_out.0.lora_A.weight", "transformer.blocks.0.attn2.to_out.0.lora_B.weight",
            "transformer.blocks.0.attn2.to_out.0.alpha" },
        { "base_model.model.blocks.0.attn2.to_out.0.lora_A.weight", "base_model.model.blocks.0.attn2.to_out.0.lora_B.weight",
            "blocks.0.attn2.to_out.0.alpha" },
        { $"{Layer}.lora_A.default.weight", $"{Layer}.lora_B.default.weight", $"{Layer}.alpha" },
        { $"pipe.dit.{Layer}.lora_A.default.weight", $"pipe.dit.{Layer}.lora_B.default.weight", $"{Layer}.alpha" },
        { $"{Layer}_lora.down.weight", $"{Layer}_lora.up.weight", $"{Layer}.alpha" },
        { $"{Layer}.lora_linear_layer.down.weight", $"{Layer}.lora_linear_layer.up.weight", $"{Layer}.alpha" },
        { "lora_transformer_blocks_0_attn2_to_out_0.lora_down.weight", "lora_transformer_blocks_0_attn2_to_out_0.lora_up.weight",
            "lora_transformer_blocks_0_attn2_to_out_0.alpha" },
        { "lycoris_blocks_0_cross_attn_o.lora_down.weight", "lycoris_blocks_0_cross_attn_o.lora_up.weight",
            "lycoris_blocks_0_cross_attn_o.alpha" },
        { $"unet.{Layer}.lora_A.weight", $"unet.{Layer}.lora_B.weight", $"unet.{Layer}.alpha" },
        { $"model.{Layer}.lora_down.weight", $"model.{Layer}.lora_up.weight", $"model.{Layer}.alpha" },
    };

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Every_layout_changes_the_same_layer(string down, string up, string alpha)
    {
        using LoraFile lora = Of((down, _down), (up, _up), (alpha, tensor(2.0)));
        LoraCheckpoint merged = Merge((lora, 0.5));
        Comparison.Elementwise(Base().Read(Layer + ".weight") + 0.5 * (2.0 / 4) * _up.mm(_down), merged.Read(Layer + ".weight"), 1e-5,
            1e-5, Layer);
        Assert.Equal((1, 0), (merged.ChangedTensors, merged.Warnings.Count));
    }

    [Theory]
    [InlineData("condition_embedder.time_proj", "time_projection.1")]
    [InlineData("condition_embedder.text_embedder.linear_2", "text_embedding.2")]
    [InlineData("condition_embedder_time_embedder_linear_1", "time_embedding.0")]
    [InlineData("blocks.0.ffn.net.0.proj", "blocks.0.ffn.0")]
    [InlineData("proj_out", "head.head")]
    public void Diffusers_names_are_ours(string foreign, string native)
    {
        using LoraFile lora = Of(($"transformer.{foreign}.diff_b", ones([.. Base().Tensors[native + ".bias"].Shape])));
        Comparison.Exact(Base().Read(native + ".bias") + 1, Merge((lora, 1)).Read(native + ".bias"), native);
    }

    [Fact]
    public void Diffusers_second_norm_is_Wans_third()
    {
        using LoraFile lora = Of(("transformer.blocks.0.norm2.diff", ones(64)));
        Comparison.Exact(Base().Read("blocks.0.norm3.weight") + 1, Merge((lora, 1)).Read("blocks.0.norm3.weight"), "norm3");
    }

    [Theory]
    [InlineData("diffusion_model.head.diff_m", "head.modulation")]
    [InlineData("diffusion_model.blocks.0.diff_m", "blocks.0.modulation")]
    [InlineData("lora_unet_blocks_0.diff_m", "blocks.0.modulation")]
    [InlineData("diffusion_model.blocks.0.self_attn.norm_q.diff", "blocks.0.self_attn.norm_q.weight")]
    [InlineData("diffusion_model.blocks.0.norm3.diff_b", "blocks.0.norm3.bias")]
    [InlineData("diffusion_model.patch_embedding.diff_b", "patch_embedding.bias")]
    [InlineData("diffusion_model.time_projection.1.diff", "time_projection.1.weight")]
    [InlineData("lora_unet_time_embedding_2.diff_b", "time_embedding.2.bias")]
    public void Differences_of_every_kind_of_tensor_are_added(string name, string tensor)
    {
        using LoraFile lora = Of((name, ones([.. Base().Tensors[tensor].Shape], ScalarType.Float16)));
        Comparison.Exact(Base().Read(tensor) - 0.5, Merge((lora, -0.5)).Read(tensor), name);
    }

    [Fact]
    public void Each_layer_has_its_own_rank_and_alpha()
    {
        Tensor down = _random.Normal(7, 64), up = _random.Normal(128, 7), third = _random.Normal(1, 128), fourth = _random.Normal(64, 1);
        using LoraFile lora = Of(($"{Layer}.lora_down.weight", _down), ($"{Layer}.lora_up.weight", _up),
            ("blocks.0.ffn.0.lora_down.weight", down), ("blocks.0.ffn.0.lora_up.weight", up),
            ("blocks.0.ffn.0.alpha", tensor(new long[] { 14 })),
            ("blocks.0.ffn.2.lora_down.weight", third), ("blocks.0.ffn.2.lora_up.weight", fourth),
            ("blocks.0.ffn.2.alpha", tensor(0.5f).to_type(ScalarType.BFloat16)));
        LoraCheckpoint merged = Merge((lora, 1));
        foreach ((string layer, Tensor change) in
                 ((string, Tensor)[])[(Layer, _up.mm(_down)), ("blocks.0.ffn.0", 2 * up.mm(down)),
                     ("blocks.0.ffn.2", 0.5 * fourth.mm(third))])
            Comparison.Elementwise(Base().Read(layer + ".weight") + change, merged.Read(layer + ".weight"), 1e-5, 1e-5, layer);
        Assert.Equal([1, 4, 7], lora.Ranks);
    }

    [Theory]
    [InlineData("transformer.blocks.0.attn2.to_out.0.lora_A.weight", "transformer.blocks.0.attn2.to_out.0.lora_B.bias")]
    [InlineData("blocks.0.cross_attn.o.lora_A.default.weight", "blocks.0.cross_attn.o.lora_B.default.bias")]
    [InlineData("diffusion_model.blocks.0.cross_attn.o.lora_down.weight", "diffusion_model.blocks.0.cross_attn.o.lora_up.bias")]
    public void The_bias_of_the_second_matrix_is_the_layers(string down, string bias)
    {
        string up = down.Replace("lora_A", "lora_B", StringComparison.Ordinal).Replace("lora_down", "lora_up", StringComparison.Ordinal);
        string alpha = down[..down.IndexOf(".lora_", StringComparison.Ordinal)] + ".alpha";
        using LoraFile lora = Of((down, _down), (up, _up), (bias, ones(64)), (alpha, tensor(8f)));
        LoraCheckpoint merged = Merge((lora, 0.5));
        Comparison.Exact(Base().Read(Layer + ".bias") + 1, merged.Read(Layer + ".bias"), bias);
        Assert.Equal(2, merged.ChangedTensors);
        Assert.Contains("not the other",
            Assert.Throws<CheckpointException>(() => Of(("x.lora_B.bias", ones(4)), ("y.diff", ones(4)))).Message);
    }

    [Fact]
    public void A_LoRA_of_image_to_video_goes_into_text_to_video_with_what_both_have()
    {
        using LoraFile lora = Of(($"{Layer}.lora_A.weight", _down), ($"{Layer}.lora_B.weight", _up),
            ("patch_embedding.lora_A.weight", _random.Normal(2, 36, 1, 2, 2)),
            ("patch_embedding.lora_B.weight", _random.Normal(64, 2, 1, 1, 1)),
            ("blocks.0.cross_attn.v_img.diff_b", ones(64)));
        LoraCheckpoint merged = Merge((lora, 1));
        Assert.Equal(1, merged.ChangedTensors);
        Assert.Contains("3 of its tensors", Assert.Single(merged.Warnings));
        Assert.Contains("'patch_embedding', 'blocks.0.cross_attn.v_img'", merged.Warnings[0]);
        Assert.Equal(3, new LoraCheckpoint(Random(ImageConfig), [(lora, 1)]).ChangedTensors);
    }

    [Fact]
    public void A_file_of_the_second_expert_alone_goes_into_a_model_of_one_transformer()
    {
        string low = Write("low.safetensors", ("transformer_2.head.head.diff_b", ones(64)));
        using var second = LoraSet.Open([new LoraOptions(low)]);
        Comparison.Exact(Base().Read("head.head.bias") + 1, second.MergeInto(Base(), 0, 1).Read("head.head.bias"), "one transformer");
        Comparison.Exact(Base().Read("head.head.bias"), second.MergeInto(Base(), 0, 2).Read("head.head.bias"), "high noise");
        Comparison.Exact(Base().Read("head.head.bias") + 1, second.MergeInto(Base(), 1, 2).Read("head.head.bias"), "low noise");
    }

    [Fact]
    public void One_transformer_gets_the_half_of_the_expert_that_is_said()
    {
        string both = Write("both.safetensors", ("transformer.head.head.diff_b", ones(64)),
            ("transformer_2.head.head.diff_b", full([64], 3.0f))),
            other = Write("other.safetensors", ("transformer.head.head.diff_b", full([64], 10.0f)),
            ("transformer_2.head.head.diff_b", full([64], 20.0f))),
            low = Write("low.safetensors", ("transformer_2.head.head.diff_b", ones(64)));
        Tensor Change(params LoraOptions[] options)
        {
            using var loras = LoraSet.Open(options);
            return loras.MergeInto(Base(), 0, 1).Read("head.head.bias") - Base().Read("head.head.bias");
        }

        LoraOptions High(string path) => new(path) { Experts = LoraExperts.HighNoise };
        LoraOptions Low(string path) => new(path) { Experts = LoraExperts.LowNoise };
        Comparison.Exact(ones(64), Change(High(both)), "high noise");
        Comparison.Exact(full([64], 3.0f), Change(Low(both)), "low noise");
        Comparison.Exact(full([64], 23.0f), Change(Low(both), new LoraOptions(other)), "one says it for the others");
        Comparison.Exact(ones(64), Change(Low(low)), "the half that there is");
        string unsaid = Assert.Throws<InvalidRequestException>(() => Change(new LoraOptions(both))).Message;
        Assert.Contains(both, unsaid);
        Assert.Contains("--lora-high or --lora-low", unsaid);
        Assert.Contains("for both", Assert.Throws<InvalidRequestException>(() => Change(High(both), Low(other))).Message);
        Assert.Contains("layers of the other alone", Assert.Throws<CheckpointException>(() => Change(High(low))).Message);
        using LoraFile file = LoraFile.Open(both);
        Assert.Throws<InvalidRequestException>(() => new LoraCheckpoint(Base(), [(file, 1)]));
    }

    [Fact]
    public void A_patch_convolution_changes_the_linear_patch_embedding()
    {
        Tensor down = _random.Normal(2, 16, 1, 2, 2), up = _random.Normal(64, 2, 1, 1, 1);
        using LoraFile lora = Of(("diffusion_model.patch_embedding.lora_A.weight", down),
            ("diffusion_model.patch_embedding.lora_B.weight", up));
        Comparison.Elementwise(Base().Read("patch_embedding.weight") + up.flatten(1).mm(down.flatten(1)),
            Merge((lora, 1)).Read("patch_embedding.weight"), 1e-5, 1e-5, "patch_embedding");
    }

    [Fact]
    public void Several_add_up_and_the_opposite_takes_one_away()
    {
        using LoraFile one = Of(($"{Layer}.lora_A.weight", _down), ($"{Layer}.lora_B.weight", _up)),
            two = Of(($"{Layer}.diff", ones(64, 64)), ("blocks.0.diff_m", ones(1, 6, 64)));
        Comparison.Elementwise(Base().Read(Layer + ".weight") + 0.25 * _up.mm(_down) - 2,
            Merge((one, 0.25), (two, -2)).Read(Layer + ".weight"), 1e-5, 1e-5, "sum");
        Comparison.Elementwise(Base().Read(Layer + ".weight"), Merge((one, 1), (one, -1)).Read(Layer + ".weight"), 1e-5, 1e-5,
            "taken away");
        Comparison.Exact(Base().Read("blocks.0.modulation") - 2, Merge((two, -2)).Read("blocks.0.modulation"), "modulation");
    }

    [Fact]
    public void Diffusers_alpha_is_in_the_metadata()
    {
        (string, Tensor)[] tensors = [($"transformer.{Layer}.lora_A.weight", _down), ($"transformer.{Layer}.lora_B.weight", _up)];
        (string, double)[] cases =
        [
            ("""{"transformer.lora_alpha": 8}""", 2.0), ("""{"transformer.lora_alpha": 8, "transformer.use_rslora": true}""", 4.0),
            ("""{"transformer.lora_alpha": 8, "transformer.alpha_pattern": {"cross_attn.o": 12, "attn.o": 16} }""", 3.0),
            ("""{"transformer.alpha_pattern": {"ross_attn.o": 12} }""", 1.0),
        ];
        foreach ((string json, double scale) in cases)
        {
            using LoraFile lora = LoraFile.Of(new MemoryCheckpoint([.. tensors.Select(t => (t.Item1, t.Item2.alias()))])
            {
                Metadata = new Dictionary<string, string> { ["lora_adapter_metadata"] = json },
            });
            Comparison.Elementwise(Base().Read(Layer + ".weight") + scale * _up.mm(_down), Merge((lora, 1)).Read(Layer + ".weight"), 1e-5,
                1e-5, json);
        }
    }

    [Fact]
    public void A_quantized_model_with_a_LoRA_is_the_merged_one_quantized()
    {
        string path = Write("lora.safetensors", ($"{Layer}.lora_A.weight", _down), ($"{Layer}.lora_B.weight", _up));
        using var loras = LoraSet.Open([new LoraOptions(path)]);
        foreach (ICheckpoint source in new[] { Base(), new QuantizedCheckpoint(Base(), WanCheckpoint.Int8Layers) })
        {
            using ICheckpoint floats = WanCheckpoint.Int8Layers.As(
                WanCheckpoint.Int8Layers.As(Base(), WanVariant.Of(source).Weights), WeightFormat.Float);
            ICheckpoint merged = loras.MergeInto(source, 0, 1);
            Assert.Equal(WeightFormat.Float, WanVariant.Of(merged).Weights);
            ICheckpoint int8 = WanCheckpoint.As(merged, Config, AttentionOptions.Sla(), WeightFormat.Int8);
            (Tensor values, Tensor scales) = BlockInt8.Quantize(floats.Read(Layer + ".weight") + _up.mm(_down));
            Comparison.Exact(values, int8.Read(Layer + ".int8_weight"), "values");
            Comparison.Exact(scales, int8.Read(Layer + ".scale"), "scales");
            using WanModel model = WanCheckpoint.Load(merged, AttentionOptions.Sla(), WeightFormat.Int8, Placement.Cpu,
                cancellationToken: TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public void Each_expert_gets_its_own()
    {
        string both = Write("both.safetensors", ("transformer.head.head.diff_b", ones(64)),
            ("transformer_2.head.head.diff_b", full([64], 3.0f))),
            low = Write("low.safetensors", ("head.head.diff_b", full([64], 10.0f)));
        using var loras = LoraSet.Open([new LoraOptions(both), new LoraOptions(low) { Experts = LoraExperts.LowNoise }]);
        Tensor Change(int expert) => loras.MergeInto(Base(), expert, 2).Read("head.head.bias") - Base().Read("head.head.bias");
        Comparison.Exact(ones(64), Change(0), "high noise");
        Comparison.Exact(full([64], 13.0f), Change(1), "low noise");
        Assert.Contains("one transformer", Assert.Throws<InvalidRequestException>(() => loras.MergeInto(Base(), 0, 1)).Message);
    }

    [Fact]
    public void Layers_that_the_base_lacks_are_counted()
    {
        using LoraFile lora = Of(("head.head.diff_b", ones(64)), ("diffusion_model.blocks.0.cross_attn.k_img.lora_A.weight", _down),
            ("diffusion_model.blocks.0.cross_attn.k_img.lora_B.weight", _up),
            ("diffusion_model.blocks.0.cross_attn.norm_k_img.diff", ones(64)), ("logit", ones(1)));
        string warning = Assert.Single(Merge((lora, 1)).Warnings);
        Assert.Contains("4 of its tensors", warning);
        Assert.Contains("'blocks.0.cross_attn.k_img', 'blocks.0.cross_attn.norm_k_img'", warning);
    }

    /// <summary>Of the image branch of Wan 2.1: a layer of it, and what each layout calls it.</summary>
    public static TheoryData<string, string, string> ImageLayers
    {
        get
        {
            (string Native, string Diffusers)[] layers =
            [
                ("blocks.0.cross_attn.k_img", "blocks.0.attn2.add_k_proj"),
                ("blocks.0.cross_attn.v_img", "blocks.0.attn2.add_v_proj"),
                ("img_emb.proj.1", "condition_embedder.image_embedder.ff.net.0.proj"),
                ("img_emb.proj.3", "condition_embedder.image_embedder.ff.net.2"),
            ];
            var data = new TheoryData<string, string, string>();
            foreach ((string native, string diffusers) in layers)
            {
                string flat = native.Replace('.', '_');
                data.Add(native, $"diffusion_model.{native}.lora_down.weight", $"diffusion_model.{native}.lora_up.weight");
                data.Add(native, $"model.diffusion_model.{native}.lora_A.weight", $"model.diffusion_model.{native}.lora_B.weight");
                data.Add(native, $"{native}.lora_A.default.weight", $"{native}.lora_B.default.weight");
                data.Add(native, $"lora_unet_{flat}.lora_down.weight", $"lora_unet_{flat}.lora_up.weight");
                data.Add(native, $"lora_unet__{flat}.lora_down.weight", $"lora_unet__{flat}.lora_up.weight");
                data.Add(native, $"transformer.{diffusers}.lora_A.weight", $"transformer.{diffusers}.lora_B.weight");
                data.Add(native, $"base_model.model.{diffusers}.lora_A.weight", $"base_model.model.{diffusers}.lora_B.weight");
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(ImageLayers))]
    public void The_image_branch_takes_its_layers_in_every_layout(string native, string down, string up)
    {
        ICheckpoint image = Random(ImageConfig);
        IReadOnlyList<long> shape = image.Tensors[native + ".weight"].Shape;
        Tensor a = _random.Normal(4, shape[1]), b = _random.Normal(shape[0], 4);
        using LoraFile lora = Of((down, a), (up, b));
        var merged = new LoraCheckpoint(image, [(lora, 0.5)]);
        Comparison.Elementwise(image.Read(native + ".weight") + 0.5 * b.mm(a), merged.Read(native + ".weight"), 1e-5, 1e-5, native);
        Assert.Equal((1, 0), (merged.ChangedTensors, merged.Warnings.Count));
        // Of a model without the branch it changes nothing, which is an error where it is all that there is.
        Assert.Contains("of another model", Assert.Throws<CheckpointException>(() => Merge((lora, 1))).Message);
    }

    [Theory]
    [InlineData("diffusion_model.blocks.0.cross_attn.norm_k_img.diff", "blocks.0.cross_attn.norm_k_img.weight")]
    [InlineData("transformer.blocks.0.attn2.norm_added_k.diff", "blocks.0.cross_attn.norm_k_img.weight")]
    [InlineData("diffusion_model.img_emb.proj.0.diff", "img_emb.proj.0.weight")]
    [InlineData("transformer.condition_embedder.image_embedder.norm2.diff_b", "img_emb.proj.4.bias")]
    [InlineData("lora_unet_img_emb_proj_3.diff_b", "img_emb.proj.3.bias")]
    [InlineData("diffusion_model.blocks.0.cross_attn.v_img.diff_b", "blocks.0.cross_attn.v_img.bias")]
    public void The_image_branch_takes_differences(string name, string tensor)
    {
        ICheckpoint image = Random(ImageConfig);
        using LoraFile lora = Of((name, ones([.. image.Tensors[tensor].Shape])));
        Comparison.Exact(image.Read(tensor) + 1, new LoraCheckpoint(image, [(lora, 1)]).Read(tensor), name);
    }

    [Fact]
    public void A_quantized_model_with_an_image_branch_takes_a_LoRA()
    {
        using LoraFile lora = Of(("diffusion_model.blocks.0.cross_attn.k_img.lora_A.weight", _down),
            ("diffusion_model.blocks.0.cross_attn.k_img.lora_B.weight", _up));
        ICheckpoint floats = Random(ImageConfig);
        using WanModel model = WanCheckpoint.Load(new LoraCheckpoint(floats, [(lora, 1)]), AttentionOptions.Sla(), WeightFormat.Int8,
            Placement.Cpu, cancellationToken: TestContext.Current.CancellationToken);
        (Tensor values, _) = BlockInt8.Quantize(floats.Read("blocks.0.cross_attn.k_img.weight") + _up.mm(_down));
        Comparison.Exact(values, model.state_dict()["blocks.0.cross_attn.k_img.int8_weight"], "k_img");
    }

    [Fact]
    public void A_LoRA_of_another_model_is_refused()
    {
        using LoraFile larger = Of(($"{Layer}.lora_A.weight", _random.Normal(4, 128)), ($"{Layer}.lora_B.weight", _random.Normal(128, 4))),
            other = Of(("double_blocks.0.img_attn.qkv.lora_A.weight", _down), ("double_blocks.0.img_attn.qkv.lora_B.weight", _up));
        Assert.Contains("other sizes", Assert.Throws<CheckpointException>(() => Merge((larger, 1))).Message);
        Assert.Contains("of another model", Assert.Throws<CheckpointException>(() => Merge((other, 1))).Message);
    }

    [Theory]
    [InlineData("x.hada_w1_a", "LoHa")]
    [InlineData("x.lokr_w1", "LoKr")]
    [InlineData("x.dora_scale", "DoRA")]
    [InlineData("base_model.model.x.lora_magnitude_vector", "DoRA")]
    [InlineData("x.oft_blocks", "OFT")]
    [InlineData("x.lora_mid.weight", "Tucker")]
    [InlineData("x.lora_A.weight", "not the other")]
    [InlineData("x.alpha", "not a LoRA")]
    public void What_is_no_plain_LoRA_is_refused_by_name(string name, string reason) =>
        Assert.Contains(reason, Assert.Throws<CheckpointException>(() => Of((name, ones(2, 2)))).Message);

    [Fact]
    public void Matrices_that_do_not_belong_together_are_refused()
    {
        Assert.Contains("do not belong together",
            Assert.Throws<CheckpointException>(() => Of(("x.lora_A.weight", _random.Normal(4, 8)),
                ("x.lora_B.weight", _random.Normal(8, 3)))).Message);
        Assert.Contains("do not belong together",
            Assert.Throws<CheckpointException>(() => Of(("x.lora_A.weight", _random.Normal(8)),
                ("x.lora_B.weight", _random.Normal(8, 3)))).Message);
        Assert.Contains("twice", Assert.Throws<CheckpointException>(() =>
            Of(("x.diff", ones(1)), ("diffusion_model.x.diff", ones(1)))).Message);
    }

    [Theory]
    [InlineData("a.safetensors", "a.safetensors", 1)]
    [InlineData("a.safetensors:0.8", "a.safetensors", 0.8)]
    [InlineData("a.safetensors:-1", "a.safetensors", -1)]
    [InlineData("C:\\a.safetensors", "C:\\a.safetensors", 1)]
    [InlineData("C:\\a.safetensors:2", "C:\\a.safetensors", 2)]
    [InlineData("0.5", "0.5", 1)]
    public void A_strength_follows_the_last_colon(string text, string path, double strength)
    {
        LoraOptions options = LoraOptions.Parse(text);
        Assert.Equal((path, strength), (options.Path, options.Strength));
    }

    [Theory]
    [InlineData("")]
    [InlineData(":0.8")]
    [InlineData("a:NaN")]
    [InlineData("a:Infinity")]
    public void What_is_not_a_file_and_a_strength_is_refused(string text) =>
        Assert.Throws<InvalidRequestException>(() => LoraOptions.Parse(text));

    [Fact]
    public void Inspection_tells_the_rank_and_the_models_that_it_fits()
    {
        var lightx2v = new HeaderCheckpoint(
        [
            new("diffusion_model.blocks.39.ffn.0.lora_down.weight", ScalarType.BFloat16, [64, 5120]),
            new("diffusion_model.blocks.39.ffn.0.lora_up.weight", ScalarType.BFloat16, [13824, 64]),
            new("diffusion_model.blocks.39.ffn.0.diff_b", ScalarType.BFloat16, [13824]),
            new("diffusion_model.blocks.0.diff_m", ScalarType.BFloat16, [1, 6, 5120]),
        ]);
        LoraReport report = CheckpointInspector.Inspect(lightx2v).Lora!;
        Assert.Equal([64], report.Ranks);
        Assert.True(report.IsDistillation);
        Assert.Equal(2, report.Layers);
        Assert.Contains(new LoraFit("Wan2.1-T2V-14B", 0), report.Fits);
        Assert.DoesNotContain(report.Fits, f => f.Model == "Wan2.1-T2V-1.3B");
        using LoraFile style = Of(($"{Layer}.lora_A.weight", _down), ($"{Layer}.lora_B.weight", _up));
        Assert.False(style.IsDistillation);
        // The bias of a layer that it does not change otherwise is no sign of a model that was tuned as a whole.
        using LoraFile biased = Of(($"{Layer}.lora_A.weight", _down), ($"{Layer}.lora_B.weight", _up), ("head.head.diff_b", ones(64)));
        Assert.False(biased.IsDistillation);
        using LoraFile modulated = Of(($"{Layer}.lora_A.weight", _down), ($"{Layer}.lora_B.weight", _up),
            ("blocks.0.diff_m", ones(1, 6, 64)));
        Assert.True(modulated.IsDistillation);
        Assert.Contains("LoKr",
            Assert.Single(CheckpointInspector.Inspect(new HeaderCheckpoint([new("x.lokr_w1", ScalarType.Float32, [1])])).Problems));
    }

    private static ICheckpoint Base() => Random(Config);

    private static ICheckpoint Random(WanConfig config)
    {
        using var model = new WanModel(config, AttentionOptions.Sla(), WeightFormat.Float, Placement.Meta);
        return new RandomCheckpoint(model, 1);
    }

    private static LoraFile Of(params (string Name, Tensor Value)[] tensors) =>
        LoraFile.Of(new MemoryCheckpoint([.. tensors.Select(t => (t.Name, t.Value.alias()))]));

    private static LoraCheckpoint Merge(params (LoraFile File, double Strength)[] loras) => new(Base(), loras);

    private string Write(string name, params (string Name, Tensor Value)[] tensors)
    {
        SafetensorsWriter.Write(_folder.File(name), [.. tensors.Select(t => TensorSource.From(t.Name, t.Value))]);
        return _folder.File(name);
    }
}
