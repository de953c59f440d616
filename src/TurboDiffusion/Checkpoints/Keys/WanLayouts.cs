namespace TurboDiffusion.Checkpoints.Keys;

/// <summary>The key layouts of Wan transformers. Ours is that of the Turbo files.</summary>
/// <remarks>
/// Upstream: Wan-Video/Wan2.1, <c>wan/modules/model.py</c>; thu-ml/TurboDiffusion aaecff5, <c>rcm/networks/wan2pt1.py</c>
/// and <c>inference/modify_model.py</c>; huggingface/diffusers 7d56827, <c>scripts/convert_wan_to_diffusers.py</c>.
/// </remarks>
public static class WanLayouts
{
    private static readonly string[] Names =
    [
        "patch_embedding.bias",
        "text_embedding.{i:0|2}.{p:weight|bias}",
        "time_embedding.{i:0|2}.{p:weight|bias}",
        "time_projection.1.{p:weight|bias}",
        "blocks.{n}.{a:self_attn|cross_attn}.{x:q|k|v|o}.{p:weight|bias}",
        "blocks.{n}.{a:self_attn|cross_attn}.{x:norm_q|norm_k}.weight",
        "blocks.{n}.norm3.{p:weight|bias}",
        "blocks.{n}.ffn.{i:0|2}.{p:weight|bias}",
        "head.head.{p:weight|bias}",
    ];

    private static readonly string[] Modulations = ["blocks.{n}.modulation", "head.modulation"];

    private const string ImagePositions = "img_emb.emb_pos";

    // The image branch of Wan 2.1 image to video: CLIP's tokens, beside the text's, in the cross-attention.
    private static readonly string[] ImageNames =
    [
        "img_emb.proj.{i:0|1|3|4}.{p:weight|bias}",
        "blocks.{n}.cross_attn.{x:k_img|v_img}.{p:weight|bias}",
        "blocks.{n}.cross_attn.norm_k_img.weight",
    ];

    // What only some variants have: the projection of sparse-linear attention, and int8 weights with their scales.
    private static readonly string[] VariantNames =
    [
        "blocks.{n}.self_attn.attn_op.local_attn.proj_l.{p:weight|bias}",
        "blocks.{n}.{a:self_attn|cross_attn}.{x:q|k|v|o}.{p:int8_weight|scale}",
        "blocks.{n}.cross_attn.{x:k_img|v_img}.{p:int8_weight|scale}",
        "blocks.{n}.ffn.{i:0|2}.{p:int8_weight|scale}",
    ];

    /// <summary>TurboDiffusion's files: Wan's names with a linear patch embedding <c>[dim, in·4]</c>; also SLA and int8.</summary>
    public static KeyRuleSet Turbo { get; } = new("Turbo", WanRules("", TensorReshape.Matrix));

    /// <summary>Wan's own files: a Conv3d patch embedding <c>[dim, in, 1, 2, 2]</c>.</summary>
    public static KeyRuleSet Original { get; } = new("original Wan", WanRules("", TensorReshape.PatchConvolution));

    /// <summary>ComfyUI's single files: Wan's names behind <c>model.diffusion_model.</c>.</summary>
    public static KeyRuleSet ComfyUI { get; } = new("ComfyUI", WanRules("model.diffusion_model.", TensorReshape.PatchConvolution));

    /// <summary>The layout of diffusers' <c>WanTransformer3DModel</c>; its <c>norm2</c> is Wan's <c>norm3</c>.</summary>
    public static KeyRuleSet Diffusers { get; } = new("diffusers",
        new KeyRule("patch_embedding.weight", "patch_embedding.weight") { Reshape = TensorReshape.PatchConvolution },
        KeyRule.Same("patch_embedding.bias"),
        new KeyRule("condition_embedder.text_embedder.linear_1.{p:weight|bias}", "text_embedding.0.{p}"),
        new KeyRule("condition_embedder.text_embedder.linear_2.{p:weight|bias}", "text_embedding.2.{p}"),
        new KeyRule("condition_embedder.time_embedder.linear_1.{p:weight|bias}", "time_embedding.0.{p}"),
        new KeyRule("condition_embedder.time_embedder.linear_2.{p:weight|bias}", "time_embedding.2.{p}"),
        new KeyRule("condition_embedder.time_proj.{p:weight|bias}", "time_projection.1.{p}"),
        new KeyRule("blocks.{n}.scale_shift_table", "blocks.{n}.modulation"),
        new KeyRule("blocks.{n}.attn1.to_{x:q|k|v}.{p:weight|bias}", "blocks.{n}.self_attn.{x}.{p}"),
        new KeyRule("blocks.{n}.attn1.to_out.0.{p:weight|bias}", "blocks.{n}.self_attn.o.{p}"),
        new KeyRule("blocks.{n}.attn1.{x:norm_q|norm_k}.weight", "blocks.{n}.self_attn.{x}.weight"),
        new KeyRule("blocks.{n}.attn2.to_{x:q|k|v}.{p:weight|bias}", "blocks.{n}.cross_attn.{x}.{p}"),
        new KeyRule("blocks.{n}.attn2.to_out.0.{p:weight|bias}", "blocks.{n}.cross_attn.o.{p}"),
        new KeyRule("blocks.{n}.attn2.{x:norm_q|norm_k}.weight", "blocks.{n}.cross_attn.{x}.weight"),
        new KeyRule("condition_embedder.image_embedder.norm1.{p:weight|bias}", "img_emb.proj.0.{p}") { Optional = true },
        new KeyRule("condition_embedder.image_embedder.ff.net.0.proj.{p:weight|bias}", "img_emb.proj.1.{p}") { Optional = true },
        new KeyRule("condition_embedder.image_embedder.ff.net.2.{p:weight|bias}", "img_emb.proj.3.{p}") { Optional = true },
        new KeyRule("condition_embedder.image_embedder.norm2.{p:weight|bias}", "img_emb.proj.4.{p}") { Optional = true },
        new KeyRule("condition_embedder.image_embedder.pos_embed", "img_emb.emb_pos") { Optional = true },
        new KeyRule("blocks.{n}.attn2.add_{x:k|v}_proj.{p:weight|bias}", "blocks.{n}.cross_attn.{x}_img.{p}") { Optional = true },
        new KeyRule("blocks.{n}.attn2.norm_added_k.weight", "blocks.{n}.cross_attn.norm_k_img.weight") { Optional = true },
        new KeyRule("blocks.{n}.norm2.{p:weight|bias}", "blocks.{n}.norm3.{p}"),
        new KeyRule("blocks.{n}.ffn.net.0.proj.{p:weight|bias}", "blocks.{n}.ffn.0.{p}"),
        new KeyRule("blocks.{n}.ffn.net.2.{p:weight|bias}", "blocks.{n}.ffn.2.{p}"),
        new KeyRule("scale_shift_table", "head.modulation"),
        new KeyRule("proj_out.{p:weight|bias}", "head.head.{p}"));

    /// <summary>Every layout, in the order in which they are tried.</summary>
    public static IReadOnlyList<KeyRuleSet> All { get; } = [Turbo, Original, Diffusers, ComfyUI];

    private static IEnumerable<KeyRule> WanRules(string prefix, TensorReshape patch) =>
    [
        new KeyRule($"{prefix}patch_embedding.weight", "patch_embedding.weight") { Reshape = patch },
        .. Names.Select(name => new KeyRule(prefix + name, name)),
        .. Modulations.Select(name => new KeyRule(prefix + name, name) { Reshape = TensorReshape.FirstAxisOfOne }),
        new KeyRule(prefix + ImagePositions, ImagePositions) { Reshape = TensorReshape.FirstAxisOfOne, Optional = true },
        .. ImageNames.Concat(VariantNames).Select(name => new KeyRule(prefix + name, name) { Optional = true }),
    ];
}
