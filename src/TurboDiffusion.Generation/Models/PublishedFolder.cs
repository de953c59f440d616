namespace TurboDiffusion.Generation.Models;

/// <summary>
/// A model's folder as it is downloaded, without a description of ours: a repository of Wan's authors, or one of diffusers. What the parts
/// are is read from themselves; the places alone are known here.
/// </summary>
/// <remarks>Wan-AI/Wan2.1-…, Wan-AI/Wan2.2-…, and the same with -Diffusers behind.</remarks>
internal static class PublishedFolder
{
    private const string DiffusersIndex = "model_index.json";

    // Of Wan 2.1 and A14B; of 5B.
    private static readonly string[] Vaes = ["Wan2.1_VAE.pth", "Wan2.2_VAE.pth"];

    /// <summary>The files, by names relative to the folder; null where it is of neither kind.</summary>
    /// <param name="folder">A folder.</param>
    public static ModelFiles? Find(string folder)
    {
        bool Has(string name) => Path.Exists(Path.Combine(folder, name));
        string? IfThere(string name) => Has(name) ? name : null;
        string modelName = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        if (Has(DiffusersIndex))
            return new ModelFiles
            {
                Name = modelName,
                Transformer = "transformer",
                LowNoiseTransformer = IfThere("transformer_2"),
                Vae = "vae",
                TextEncoder = "text_encoder",
                Tokenizer = Path.Combine("tokenizer", "spiece.model"),
                ImageEncoder = IfThere("image_encoder"),
            };
        if (Vaes.FirstOrDefault(Has) is not { } vae) return null;
        // One transformer lies in the folder itself.
        string? highNoise = IfThere("high_noise_model");
        return new ModelFiles
        {
            Name = modelName,
            Transformer = highNoise ?? ".",
            LowNoiseTransformer = highNoise is null ? null : "low_noise_model",
            Vae = vae,
            TextEncoder = "models_t5_umt5-xxl-enc-bf16.pth",
            Tokenizer = Path.Combine("google", "umt5-xxl", "spiece.model"),
            ImageEncoder = IfThere("models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"),
        };
    }
}
