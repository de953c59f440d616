using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Evaluation;

/// <summary>What is to be measured: a model, its variants, and how many prompts.</summary>
public sealed record EvaluationPlan
{
    /// <summary>A model's name in the library or its folder; null: the default model. Its files may be replaced by those below.</summary>
    public string? Model { get; init; }

    /// <summary>The video autoencoder, in place of the model's.</summary>
    public string? Vae { get; init; }

    /// <summary>The text encoder, in place of the model's.</summary>
    public string? TextEncoder { get; init; }

    /// <summary>The tokenizer, in place of the model's.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>
    /// Tokens of a prompt, padding included: those that the model was trained with; null: what the model's description says, or Wan's 512.
    /// </summary>
    public int? TextLength { get; init; }

    /// <summary>The rows of the table, in order. Speed-ups are relative to the first.</summary>
    public IReadOnlyList<EvaluationVariant> Variants { get; init; } = [];

    /// <summary>Held-out prompts with one object; 0: only latencies are measured.</summary>
    public int Prompts { get; init; } = 200;

    /// <summary>Held-out prompts with two objects.</summary>
    public int TwoObjectPrompts { get; init; } = 50;

    /// <summary>Real clips that the Fréchet distance compares with.</summary>
    public int ReferenceClips { get; init; } = 1000;

    /// <summary>Chooses the prompts, their noise and the reference clips.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Clips that are generated at once.</summary>
    public int Batch { get; init; } = 25;

    /// <summary>Width of the clips in pixels.</summary>
    public int Width { get; init; } = 192;

    /// <summary>Height of the clips in pixels.</summary>
    public int Height { get; init; } = 112;

    /// <summary>Frames of the clips, 4k + 1.</summary>
    public int Frames { get; init; } = 33;

    /// <summary>The speed at which clips are shown.</summary>
    public int FramesPerSecond { get; init; } = 8;

    /// <summary>Runs of each variant whose median is its latency, after one to warm up; 0: no latency is measured.</summary>
    public int LatencyRuns { get; init; } = 3;

    /// <summary>Where everything runs: <c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>The element type of the weights: <c>float32</c>, <c>bfloat16</c> or <c>float16</c>; null: the device's.</summary>
    public string? Dtype { get; init; }

    /// <summary>Reads a plan. Files that it names are relative to its folder.</summary>
    /// <param name="path">A JSON file.</param>
    /// <exception cref="InvalidRequestException">It cannot be read, or is not a plan.</exception>
    public static EvaluationPlan Load(string path)
    {
        try
        {
            return JsonFile.Read<EvaluationPlan>(path).RelativeTo(Path.GetDirectoryName(Path.GetFullPath(path))!);
        }
        catch (JsonException e)
        {
            throw new InvalidRequestException("plan", $"The plan {path} is not one: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidRequestException("plan", $"The plan {path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Refuses what cannot be measured.</summary>
    /// <exception cref="InvalidRequestException">A number is out of range.</exception>
    public void Check()
    {
        Within(nameof(Prompts), Prompts, 0, 100_000);
        Within(nameof(TwoObjectPrompts), TwoObjectPrompts, 0, 100_000);
        Within(nameof(ReferenceClips), ReferenceClips, 2, 100_000);
        Within(nameof(Batch), Batch, 1, 1000);
        Within(nameof(Width), Width, 64, 8192);
        Within(nameof(Height), Height, 48, 8192);
        Within(nameof(Frames), Frames, 9, 1025);
        Within(nameof(LatencyRuns), LatencyRuns, 0, 1000);
        if (Prompts + TwoObjectPrompts == 1)
            throw new InvalidRequestException(nameof(Prompts), "One prompt has no Fréchet distance; give 0 or at least 2.");
        if (Variants.GroupBy(v => v.Label).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new InvalidRequestException("variants", $"Two variants are called '{twice.Key}'; give each a label of its own.");
        _ = ElementType;

        static void Within(string name, int value, int least, int most)
        {
            if (value < least || value > most) throw new InvalidRequestException(name, $"{name} is {value}; give {least} to {most}.");
        }
    }

    internal torch.ScalarType? ElementType => Dtype switch
    {
        null => null,
        "float32" => torch.ScalarType.Float32,
        "bfloat16" => torch.ScalarType.BFloat16,
        "float16" => torch.ScalarType.Float16,
        _ => throw new InvalidRequestException("dtype", $"There is no element type '{Dtype}'; choose float32, bfloat16 or float16."),
    };

    // The files of one variant.
    internal ModelFiles Files(EvaluationVariant variant)
    {
        string? transformer = variant.Transformer;
        if (Model is null && (transformer, Vae, TextEncoder, Tokenizer) is ({ } own, { } vae, { } text, { } tokenizer))
            return new ModelFiles
            {
                Name = Path.GetFileNameWithoutExtension(own), Transformer = own, Vae = vae, TextEncoder = text, Tokenizer = tokenizer,
                Defaults = new GenerationDefaults { TextLength = TextLength },
            };
        ModelFiles files = ModelLibrary.Find(Model);
        return files with
        {
            Transformer = transformer ?? files.Transformer,
            Vae = Vae ?? files.Vae,
            TextEncoder = TextEncoder ?? files.TextEncoder,
            Tokenizer = Tokenizer ?? files.Tokenizer,
            Defaults = TextLength is null ? files.Defaults : (files.Defaults ?? new GenerationDefaults()) with { TextLength = TextLength },
        };
    }

    private EvaluationPlan RelativeTo(string folder)
    {
        string? Full(string? name) => name is null ? null : Path.GetFullPath(Path.Combine(folder, name));
        return this with
        {
            // A name that is no folder is one of the library.
            Model = Model is not null && Directory.Exists(Full(Model)) ? Full(Model) : Model,
            Vae = Full(Vae),
            TextEncoder = Full(TextEncoder),
            Tokenizer = Full(Tokenizer),
            Variants = [.. Variants.Select(v => v with { Transformer = Full(v.Transformer) })],
        };
    }
}
