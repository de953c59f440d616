namespace TurboDiffusion.Checkpoints.Keys;

/// <summary>The key layouts of the Wan 2.1 and 2.2 VAEs. Ours are Wan's own.</summary>
/// <remarks>
/// Upstream: Wan-Video/Wan2.1, <c>wan/modules/vae.py</c>; huggingface/diffusers 7d56827,
/// <c>scripts/convert_wan_to_diffusers.py</c>, <c>convert_vae</c>.
/// </remarks>
public static class VaeLayouts
{
    private const int Levels = 4, DecoderBlocks = 3;

    /// <summary>Wan's own file, <c>Wan2.1_VAE.pth</c>, also repackaged for ComfyUI.</summary>
    public static KeyRuleSet Original { get; } = new("original Wan VAE",
        KeyRule.Same("{c:conv1|conv2}.{p:weight|bias}"),
        KeyRule.Same("{e:encoder|decoder}.conv1.{p:weight|bias}"),
        KeyRule.Same("{e:encoder|decoder}.{s:downsamples|upsamples}.{n}.residual.{i:0|3}.gamma"),
        KeyRule.Same("{e:encoder|decoder}.{s:downsamples|upsamples}.{n}.residual.{i:2|6}.{p:weight|bias}"),
        KeyRule.Same("{e:encoder|decoder}.{s:downsamples|upsamples}.{n}.shortcut.{p:weight|bias}"),
        KeyRule.Same("{e:encoder|decoder}.{s:downsamples|upsamples}.{n}.resample.1.{p:weight|bias}"),
        KeyRule.Same("{e:encoder|decoder}.{s:downsamples|upsamples}.{n}.time_conv.{p:weight|bias}"),
        KeyRule.Same("{e:encoder|decoder}.middle.{m:0|2}.residual.{i:0|3}.gamma"),
        KeyRule.Same("{e:encoder|decoder}.middle.{m:0|2}.residual.{i:2|6}.{p:weight|bias}"),
        KeyRule.Same("{e:encoder|decoder}.middle.1.norm.gamma"),
        KeyRule.Same("{e:encoder|decoder}.middle.1.{x:to_qkv|proj}.{p:weight|bias}"),
        KeyRule.Same("{e:encoder|decoder}.head.0.gamma"),
        KeyRule.Same("{e:encoder|decoder}.head.2.{p:weight|bias}"));

    /// <summary>The layout of diffusers' <c>AutoencoderKLWan</c>.</summary>
    public static KeyRuleSet Diffusers { get; } = new("diffusers AutoencoderKLWan", [.. MakeDiffusers()]);

    /// <summary>Wan 2.2's own file, <c>Wan2.2_VAE.pth</c>, also repackaged for ComfyUI: layers grouped by level.</summary>
    public static KeyRuleSet Wan22 { get; } = new("original Wan 2.2 VAE", [.. MakeWan22()]);

    /// <summary>The layout of diffusers' <c>AutoencoderKLWan</c> for Wan 2.2 (<c>is_residual</c>).</summary>
    public static KeyRuleSet Wan22Diffusers { get; } = new("diffusers AutoencoderKLWan of Wan 2.2", [.. MakeWan22Diffusers()]);

    /// <summary>Every layout, in the order in which they are tried.</summary>
    public static IReadOnlyList<KeyRuleSet> All { get; } = [Original, Diffusers, Wan22, Wan22Diffusers];

    private static IEnumerable<KeyRule> MakeWan22()
    {
        yield return KeyRule.Same("{c:conv1|conv2}.{p:weight|bias}");
        yield return KeyRule.Same("{e:encoder|decoder}.conv1.{p:weight|bias}");
        yield return KeyRule.Same("{e:encoder|decoder}.middle.{m:0|2}.residual.{i:0|3}.gamma");
        yield return KeyRule.Same("{e:encoder|decoder}.middle.{m:0|2}.residual.{i:2|6}.{p:weight|bias}");
        yield return KeyRule.Same("{e:encoder|decoder}.middle.1.norm.gamma");
        yield return KeyRule.Same("{e:encoder|decoder}.middle.1.{x:to_qkv|proj}.{p:weight|bias}");
        yield return KeyRule.Same("{e:encoder|decoder}.head.0.gamma");
        yield return KeyRule.Same("{e:encoder|decoder}.head.2.{p:weight|bias}");
        foreach (string level in (string[])["encoder.downsamples.{n}.downsamples.{m}", "decoder.upsamples.{n}.upsamples.{m}"])
        {
            yield return KeyRule.Same($"{level}.residual.{{i:0|3}}.gamma");
            yield return KeyRule.Same($"{level}.residual.{{i:2|6}}.{{p:weight|bias}}");
            yield return KeyRule.Same($"{level}.shortcut.{{p:weight|bias}}") with { Optional = true };
            yield return KeyRule.Same($"{level}.resample.1.{{p:weight|bias}}");
            yield return KeyRule.Same($"{level}.time_conv.{{p:weight|bias}}");
        }
    }

    private static IEnumerable<KeyRule> MakeWan22Diffusers()
    {
        foreach (KeyRule rule in Ends()) yield return rule;
        foreach ((string foreign, string native, string resampler, int index) in ((string, string, string, int)[])
            [("encoder.down_blocks", "encoder.downsamples.{n}.downsamples", "downsampler", DecoderBlocks - 1),
                ("decoder.up_blocks", "decoder.upsamples.{n}.upsamples", "upsampler", DecoderBlocks)])
        {
            foreach (KeyRule rule in Residual(foreign + ".{n}.resnets.{m}", native + ".{m}")) yield return rule;
            foreach (KeyRule rule in Shortcut(foreign + ".{n}.resnets.{m}", native + ".{m}", optional: true)) yield return rule;
            foreach (KeyRule rule in Resampling($"{foreign}.{{n}}.{resampler}", $"{native}.{index}")) yield return rule;
        }
    }

    private static IEnumerable<KeyRule> MakeDiffusers()
    {
        foreach (KeyRule rule in Ends()) yield return rule;

        // The encoder's blocks are one flat list in both.
        foreach (KeyRule rule in Residual("encoder.down_blocks.{n}", "encoder.downsamples.{n}")) yield return rule;
        foreach (KeyRule rule in Shortcut("encoder.down_blocks.{n}", "encoder.downsamples.{n}", optional: false)) yield return rule;
        foreach (KeyRule rule in Resampling("encoder.down_blocks.{n}", "encoder.downsamples.{n}")) yield return rule;

        // The decoder's flat list is grouped by level there: three residual blocks and, but for the last level, an upsampler.
        for (int level = 0; level < Levels; level++)
        {
            int first = level * (DecoderBlocks + 1);
            for (int block = 0; block < DecoderBlocks; block++)
            {
                string foreign = $"decoder.up_blocks.{level}.resnets.{block}", native = $"decoder.upsamples.{first + block}";
                foreach (KeyRule rule in Residual(foreign, native)) yield return rule;
                foreach (KeyRule rule in Shortcut(foreign, native, optional: true)) yield return rule;
            }
            if (level == Levels - 1) break;
            foreach (KeyRule rule in Resampling($"decoder.up_blocks.{level}.upsamplers.0", $"decoder.upsamples.{first + DecoderBlocks}"))
                yield return rule;
        }
    }

    // What lies before, between and behind the levels.
    private static IEnumerable<KeyRule> Ends()
    {
        yield return new("quant_conv.{p:weight|bias}", "conv1.{p}");
        yield return new("post_quant_conv.{p:weight|bias}", "conv2.{p}");
        yield return new("{e:encoder|decoder}.conv_in.{p:weight|bias}", "{e}.conv1.{p}");
        yield return new("{e:encoder|decoder}.norm_out.gamma", "{e}.head.0.gamma");
        yield return new("{e:encoder|decoder}.conv_out.{p:weight|bias}", "{e}.head.2.{p}");
        yield return new("{e:encoder|decoder}.mid_block.attentions.0.norm.gamma", "{e}.middle.1.norm.gamma");
        yield return new("{e:encoder|decoder}.mid_block.attentions.0.{x:to_qkv|proj}.{p:weight|bias}", "{e}.middle.1.{x}.{p}");
        foreach (KeyRule rule in Residual("{e:encoder|decoder}.mid_block.resnets.0", "{e}.middle.0")) yield return rule;
        foreach (KeyRule rule in Residual("{e:encoder|decoder}.mid_block.resnets.1", "{e}.middle.2")) yield return rule;
    }

    private static IEnumerable<KeyRule> Residual(string foreign, string native) =>
    [
        new($"{foreign}.norm1.gamma", $"{native}.residual.0.gamma"),
        new($"{foreign}.conv1.{{p:weight|bias}}", $"{native}.residual.2.{{p}}"),
        new($"{foreign}.norm2.gamma", $"{native}.residual.3.gamma"),
        new($"{foreign}.conv2.{{p:weight|bias}}", $"{native}.residual.6.{{p}}"),
    ];

    private static IEnumerable<KeyRule> Shortcut(string foreign, string native, bool optional) =>
        [new($"{foreign}.conv_shortcut.{{p:weight|bias}}", $"{native}.shortcut.{{p}}") { Optional = optional }];

    private static IEnumerable<KeyRule> Resampling(string foreign, string native) =>
    [
        new($"{foreign}.resample.1.{{p:weight|bias}}", $"{native}.resample.1.{{p}}"),
        new($"{foreign}.time_conv.{{p:weight|bias}}", $"{native}.time_conv.{{p}}") { Optional = true },
    ];
}
