namespace TurboDiffusion.Checkpoints.Keys;

/// <summary>The key layouts of the umT5 encoder. Ours is Wan's own.</summary>
/// <remarks>
/// Upstream: Wan-Video/Wan2.1, <c>wan/modules/t5.py</c>; huggingface/transformers,
/// <c>src/transformers/models/umt5/modeling_umt5.py</c>, <c>UMT5EncoderModel</c>; city96/ComfyUI-GGUF at 795e451, <c>loader.py</c>.
/// </remarks>
public static class UMT5Layouts
{
    /// <summary>Wan's own file, <c>models_t5_umt5-xxl-enc-bf16.pth</c>; also in int8, with the weights' scales.</summary>
    public static KeyRuleSet Original { get; } = new("original Wan umT5",
        KeyRule.Same("token_embedding.weight"),
        KeyRule.Same("blocks.{n}.{m:norm1|norm2}.weight"),
        KeyRule.Same("blocks.{n}.attn.{x:q|k|v|o}.{p:weight|int8_weight|scale}"),
        KeyRule.Same("blocks.{n}.ffn.gate.0.{p:weight|int8_weight|scale}"),
        KeyRule.Same("blocks.{n}.ffn.{x:fc1|fc2}.{p:weight|int8_weight|scale}"),
        KeyRule.Same("blocks.{n}.pos_embedding.embedding.weight"),
        KeyRule.Same("norm.weight"));

    /// <summary>The layout of transformers' <c>UMT5EncoderModel</c>, also that of ComfyUI's files.</summary>
    public static KeyRuleSet Transformers { get; } = new("transformers UMT5EncoderModel",
        new KeyRule("shared.weight", "token_embedding.weight"),
        new KeyRule("encoder.block.{n}.layer.0.layer_norm.weight", "blocks.{n}.norm1.weight"),
        new KeyRule("encoder.block.{n}.layer.0.SelfAttention.{x:q|k|v|o}.weight", "blocks.{n}.attn.{x}.weight"),
        new KeyRule("encoder.block.{n}.layer.0.SelfAttention.relative_attention_bias.weight", "blocks.{n}.pos_embedding.embedding.weight"),
        new KeyRule("encoder.block.{n}.layer.1.layer_norm.weight", "blocks.{n}.norm2.weight"),
        new KeyRule("encoder.block.{n}.layer.1.DenseReluDense.wi_0.weight", "blocks.{n}.ffn.gate.0.weight"),
        new KeyRule("encoder.block.{n}.layer.1.DenseReluDense.wi_1.weight", "blocks.{n}.ffn.fc1.weight"),
        new KeyRule("encoder.block.{n}.layer.1.DenseReluDense.wo.weight", "blocks.{n}.ffn.fc2.weight"),
        new KeyRule("encoder.final_layer_norm.weight", "norm.weight"),
        // A second name of shared.weight in some files, and the tokenizer's model in ComfyUI's.
        KeyRule.Same("encoder.embed_tokens.weight") with { Dropped = true },
        KeyRule.Same("spiece_model") with { Dropped = true });

    /// <summary>llama.cpp's names of a T5 encoder, those of GGUF files.</summary>
    public static KeyRuleSet Gguf { get; } = new("llama.cpp T5 encoder",
        new KeyRule("token_embd.weight", "token_embedding.weight"),
        new KeyRule("enc.blk.{n}.attn_norm.weight", "blocks.{n}.norm1.weight"),
        new KeyRule("enc.blk.{n}.attn_{x:q|k|v|o}.weight", "blocks.{n}.attn.{x}.weight"),
        new KeyRule("enc.blk.{n}.attn_rel_b.weight", "blocks.{n}.pos_embedding.embedding.weight"),
        new KeyRule("enc.blk.{n}.ffn_norm.weight", "blocks.{n}.norm2.weight"),
        new KeyRule("enc.blk.{n}.ffn_gate.weight", "blocks.{n}.ffn.gate.0.weight"),
        new KeyRule("enc.blk.{n}.ffn_up.weight", "blocks.{n}.ffn.fc1.weight"),
        new KeyRule("enc.blk.{n}.ffn_down.weight", "blocks.{n}.ffn.fc2.weight"),
        new KeyRule("enc.output_norm.weight", "norm.weight"));

    /// <summary>Every layout, in the order in which they are tried.</summary>
    public static IReadOnlyList<KeyRuleSet> All { get; } = [Original, Transformers, Gguf];
}
