using System.Text.Json;
using System.Text.Json.Serialization;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Models;

/// <summary>The files of a model. Relative names in a <c>model.json</c> are relative to its folder.</summary>
public sealed record ModelFiles
{
    /// <summary>The description in a model's folder.</summary>
    public const string DescriptionFile = "model.json";

    internal static readonly JsonSerializerOptions Json =
        new(JsonFile.Options) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    /// <summary>The model's name, for messages and results.</summary>
    public required string Name { get; init; }

    /// <summary>The transformer; of two experts, the high-noise one.</summary>
    public required string Transformer { get; init; }

    /// <summary>Of two experts, the low-noise one. The two cannot be told apart by content.</summary>
    public string? LowNoiseTransformer { get; init; }

    /// <summary>The video autoencoder.</summary>
    public required string Vae { get; init; }

    /// <summary>
    /// A tiny autoencoder (TAEHV, <c>taew2_1</c>) that can serve in place of <see cref="Vae"/>: faster, coarser. <see cref="Vae"/> may be
    /// one, too.
    /// </summary>
    public string? TinyVae { get; init; }

    /// <summary>The umT5 text encoder.</summary>
    public required string TextEncoder { get; init; }

    /// <summary>The SentencePiece model of the text encoder.</summary>
    public required string Tokenizer { get; init; }

    /// <summary>
    /// The CLIP image encoder of a transformer with an image branch (Wan 2.1 image to video and FLF2V); others need none.
    /// </summary>
    public string? ImageEncoder { get; init; }

    /// <summary>What the model is best run with; null: as published (<see cref="TurboDiffusion.Models.ModelSpec"/>).</summary>
    public GenerationDefaults? Defaults { get; init; }

    /// <summary>Of a model that knows only a small world: prompts that show which. Null: anything can be asked for.</summary>
    public IReadOnlyList<string>? ExamplePrompts { get; init; }

    /// <summary>Whether a folder is a model's: has a description, or is one as it is published.</summary>
    /// <param name="folder">A folder.</param>
    public static bool AreIn(string folder) =>
        File.Exists(Path.Combine(folder, DescriptionFile)) || PublishedFolder.Find(folder) is not null;

    /// <summary>Reads the description in a model's folder.</summary>
    /// <param name="folder">
    /// A folder with a <c>model.json</c>; or one as Wan's authors or diffusers publish it, whose parts have their places.
    /// </param>
    /// <exception cref="CheckpointException">It is neither, or the description is malformed.</exception>
    public static ModelFiles FromFolder(string folder)
    {
        string path = Path.Combine(folder, DescriptionFile);
        if (!Directory.Exists(folder)) throw new CheckpointException(folder, "there is no such folder; give the folder of a model.");
        if (!File.Exists(path))
            return PublishedFolder.Find(folder)?.Resolve(folder) ?? throw new CheckpointException(folder,
                $"has no {DescriptionFile}, and is no folder of Wan's authors or of diffusers as they publish it; write one that names the "
                    + "model's files (docs/checkpoints.md), or name the files one by one.");
        try
        {
            return JsonFile.Read<ModelFiles>(path, Json).Resolve(folder);
        }
        catch (JsonException e)
        {
            throw new CheckpointException(path, $"is not a model's description: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Writes the description beside the files, whole or not at all.</summary>
    /// <param name="folder">The model's folder.</param>
    public void Write(string folder) =>
        AtomicFile.WriteText(Path.Combine(folder, DescriptionFile), JsonSerializer.Serialize(this, Json) + "\n");

    private ModelFiles Resolve(string folder)
    {
        string Full(string name) => Path.GetFullPath(Path.Combine(folder, name));
        return this with
        {
            Transformer = Full(Transformer),
            LowNoiseTransformer = LowNoiseTransformer is null ? null : Full(LowNoiseTransformer),
            Vae = Full(Vae),
            TinyVae = TinyVae is null ? null : Full(TinyVae),
            TextEncoder = Full(TextEncoder),
            Tokenizer = Full(Tokenizer),
            ImageEncoder = ImageEncoder is null ? null : Full(ImageEncoder),
        };
    }
}
