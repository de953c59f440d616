namespace TurboDiffusion.Checkpoints.Keys;

/// <summary>The key layouts of the CLIP image encoder. Ours is Wan's own without <c>visual.</c></summary>
/// <remarks>
/// Upstream: Wan-Video/Wan2.1, 960af87, <c>wan/modules/clip.py</c>; huggingface/transformers,
/// <c>src/transformers/models/clip/modeling_clip.py</c>, <c>CLIPVisionModel</c>, which ComfyUI's <c>clip_vision_h</c> follows.
/// </remarks>
public static class ClipLayouts
{
    private static readonly string[] Names =
    [
        "patch_embedding.weight",
        "cls_embedding",
        "pos_embedding",
        "pre_norm.{p:weight|bias}",
        "transformer.{n}.{m:norm1|norm2}.{p:weight|bias}",
        "transformer.{n}.attn.{x:to_qkv|proj}.{p:weight|bias}",
        "transformer.{n}.mlp.{i:0|2}.{p:weight|bias}",
    ];

    /// <summary>
    /// Wan's own file, <c>models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth</c>, with or without its text half, which no video
    /// model uses.
    /// </summary>
    public static KeyRuleSet Original { get; } = new("original Wan CLIP",
    [
        .. Names.Select(name => new KeyRule("visual." + name, name)),
        // Behind the blocks, and the text half.
        Dropped("visual.post_norm.{p:weight|bias}"),
        Dropped("visual.head"),
        Dropped("log_scale"),
        Dropped("textual.{e:token_embedding|type_embedding|pos_embedding}.weight"),
        Dropped("textual.blocks.{n}.attn.{x:q|k|v|o}.{p:weight|bias}"),
        Dropped("textual.blocks.{n}.{m:norm1|norm2}.{p:weight|bias}"),
        Dropped("textual.blocks.{n}.ffn.{i:0|2}.{p:weight|bias}"),
        Dropped("textual.norm.{p:weight|bias}"),
        Dropped("textual.head.{i:0|2}.weight"),
    ]);

    /// <summary>Our own files.</summary>
    public static KeyRuleSet Native { get; } = new("CLIP image encoder", Names.Select(KeyRule.Same));

    /// <summary>
    /// The layout of transformers' <c>CLIPVisionModel</c>, that of diffusers' folders (<c>image_encoder</c>) and of ComfyUI's
    /// <c>clip_vision_h.safetensors</c>. Its q, k and v are apart; <see cref="FusedProjections"/> joins them.
    /// </summary>
    public static KeyRuleSet Transformers { get; } = new("transformers CLIPVisionModel",
        new KeyRule("vision_model.embeddings.patch_embedding.weight", "patch_embedding.weight"),
        new KeyRule("vision_model.embeddings.class_embedding", "cls_embedding") { Reshape = TensorReshape.LeadingAxes(1, 2) },
        new KeyRule("vision_model.embeddings.position_embedding.weight", "pos_embedding") { Reshape = TensorReshape.LeadingAxes(2, 1) },
        new KeyRule("vision_model.pre_layrnorm.{p:weight|bias}", "pre_norm.{p}"),
        new KeyRule("vision_model.encoder.layers.{n}.layer_norm1.{p:weight|bias}", "transformer.{n}.norm1.{p}"),
        new KeyRule("vision_model.encoder.layers.{n}.layer_norm2.{p:weight|bias}", "transformer.{n}.norm2.{p}"),
        new KeyRule("vision_model.encoder.layers.{n}.self_attn.{x:q|k|v}_proj.{p:weight|bias}", "transformer.{n}.attn.{x}.{p}"),
        new KeyRule("vision_model.encoder.layers.{n}.self_attn.out_proj.{p:weight|bias}", "transformer.{n}.attn.proj.{p}"),
        new KeyRule("vision_model.encoder.layers.{n}.mlp.fc1.{p:weight|bias}", "transformer.{n}.mlp.0.{p}"),
        new KeyRule("vision_model.encoder.layers.{n}.mlp.fc2.{p:weight|bias}", "transformer.{n}.mlp.2.{p}"),
        // A table of the numbers from 0, and what comes behind the blocks.
        Dropped("vision_model.embeddings.position_ids"),
        Dropped("vision_model.post_layernorm.{p:weight|bias}"),
        Dropped("visual_projection.weight"));

    /// <summary>Every layout, in the order in which they are tried.</summary>
    public static IReadOnlyList<KeyRuleSet> All { get; } = [Original, Transformers, Native];

    private static KeyRule Dropped(string name) => KeyRule.Same(name) with { Dropped = true };
}
