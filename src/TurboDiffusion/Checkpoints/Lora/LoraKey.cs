namespace TurboDiffusion.Checkpoints.Lora;

/// <summary>A tensor name of a LoRA file, taken apart.</summary>
/// <param name="Module">The layer as the file names it, without what stands before every name.</param>
/// <param name="Part">What the tensor is to the layer.</param>
/// <param name="OfSecondExpert">Whether the name says that it is of the low-noise expert.</param>
/// <remarks>
/// Spellings: ComfyUI and LightX2V (<c>diffusion_model.…lora_down.weight</c>), kohya and musubi-tuner
/// (<c>lora_unet_blocks_0_…</c>), diffusers and PEFT (<c>transformer.…lora_A.weight</c>, of the second expert
/// <c>transformer_2.</c>), DiffSynth-Studio (<c>…lora_A.default.weight</c>), LyCORIS and OneTrainer (<c>lycoris_…</c>,
/// <c>lora_transformer_…</c>).
/// </remarks>
internal sealed record LoraKey(string Module, LoraPart Part, bool OfSecondExpert)
{
    private const string SecondExpert = "transformer_2.";

    private static readonly (string Suffix, LoraPart Part)[] Suffixes =
    [
        (".lora_A.weight", LoraPart.Down), (".lora_down.weight", LoraPart.Down), (".lora.down.weight", LoraPart.Down),
        ("_lora.down.weight", LoraPart.Down), (".lora_linear_layer.down.weight", LoraPart.Down),
        (".lora_B.weight", LoraPart.Up), (".lora_up.weight", LoraPart.Up), (".lora.up.weight", LoraPart.Up),
        ("_lora.up.weight", LoraPart.Up), (".lora_linear_layer.up.weight", LoraPart.Up),
        (".lora_B.bias", LoraPart.UpBias), (".lora_up.bias", LoraPart.UpBias), (".alpha", LoraPart.Alpha),
        (".diff", LoraPart.WeightDifference), (".diff_b", LoraPart.BiasDifference), (".diff_m", LoraPart.ModulationDifference),
    ];

    // The longer ones first.
    private static readonly string[] Prefixes =
    [
        "base_model.model.", "model.diffusion_model.", "diffusion_model.", "transformer.", SecondExpert, "pipe.dit.", "module.", "net.",
        "model.", "unet.", "lora_unet__", "lora_unet_", "lora_transformer_", "lycoris_",
    ];

    // Parts of names that only other kinds of adapters have.
    private static readonly (string Part, string Kind)[] OtherKinds =
    [
        (".hada_", "a LoHa adapter"), (".lokr_", "a LoKr adapter"), (".dora_scale", "a DoRA adapter"),
        (".lora_magnitude_vector", "a DoRA adapter"),
        (".oft_", "an OFT adapter"), (".a1.weight", "a GLoRA adapter"),
        (".lora_mid.", "a LoRA of convolutions with a core (LoCon, Tucker form)"),
        (".w_norm", "a LoRA with replaced norms"), (".b_norm", "a LoRA with replaced norms"),
        (".set_weight", "an adapter that replaces weights"),
        (".reshape_weight", "a LoRA that reshapes layers"),
    ];

    /// <summary>The name that a part of a layer has in the files that are written: ComfyUI's.</summary>
    /// <param name="module">The layer's official name.</param>
    /// <param name="part">A, B or α.</param>
    public static string Written(string module, LoraPart part) => part switch
    {
        LoraPart.Down => $"diffusion_model.{module}.lora_down.weight",
        LoraPart.Up => $"diffusion_model.{module}.lora_up.weight",
        LoraPart.Alpha => $"diffusion_model.{module}.alpha",
        _ => throw new ArgumentOutOfRangeException(nameof(part), part, "Not a part of a product of two matrices."),
    };

    /// <summary>Takes a name apart; null where it is not one of a LoRA.</summary>
    public static LoraKey? Parse(string name)
    {
        if (Split(name) is not (string module, LoraPart part)) return null;
        bool second = false;
        while (Prefixes.FirstOrDefault(p => module.Length > p.Length && module.StartsWith(p, StringComparison.Ordinal)) is { } prefix)
        {
            second |= prefix == SecondExpert;
            module = module[prefix.Length..];
        }
        return new LoraKey(module, part, second);
    }

    /// <summary>Which other kind of adapter has such a name; null for none.</summary>
    public static string? OtherKind(string name) =>
        OtherKinds.FirstOrDefault(other => name.Contains(other.Part, StringComparison.Ordinal)).Kind;

    private static (string Module, LoraPart Part)? Split(string name)
    {
        foreach ((string suffix, LoraPart part) in Suffixes)
            if (name.Length > suffix.Length && name.EndsWith(suffix, StringComparison.Ordinal)) return (name[..^suffix.Length], part);
        return WithoutAdapterName(name) is { } plain ? Split(plain) : null;
    }

    // PEFT's x.lora_A.NAME.weight as x.lora_A.weight; null for any other name.
    private static string? WithoutAdapterName(string name) =>
        name.Split('.') is [.. var layer, "lora_A" or "lora_B", _, "weight" or "bias"]
            ? string.Join('.', [.. layer, name.Split('.')[^3], name.Split('.')[^1]])
            : null;
}
