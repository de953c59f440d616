using System.CommandLine;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>models</c>: what is in the library folder.</summary>
internal sealed class ModelsCommand : CliCommand
{
    private readonly Option<bool> _json = Opt.Flag("--json", "Print the list as JSON.");

    /// <summary>Creates the command.</summary>
    public ModelsCommand(Terminal terminal)
        : base(terminal, "models", "List the models of the library folder.")
    {
        Add("Options", _json);
        Details = $"The library is the folder that {ModelLibrary.FolderVariable} names, or turbodiffusion/models in the user's cache "
            + "folder. A model is a folder in it with a model.json that names its files, or one as Wan's authors or "
            + "diffusers publish it (docs/checkpoints.md).";
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        Entry[] entries = [.. ModelLibrary.Names.Select(Describe)];
        if (parsed.GetValue(_json))
        {
            Terminal.Out.WriteLine(Json.Of(new { ModelLibrary.Folder, Models = entries }));
            return ExitCode.Success;
        }
        string none = entries.Length == 0 ? " has no models yet. Put folders with a model.json there (docs/checkpoints.md)." : "";
        Terminal.Out.WriteLine(ModelLibrary.Folder + none);
        TextTable.Write(Terminal.Out,
            [.. entries.Select(e => new[] { e.Name, e.Problem ?? $"{e.Preset} {e.Variant}, "
                + $"{Format.Bytes(e.Bytes)}{(e.RandomWeights ? ", random weights" : "")}" })], indent: 2);
        return ExitCode.Success;
    }

    private static Entry Describe(string name)
    {
        try
        {
            ModelFiles files = ModelLibrary.Find(name);
            using ICheckpoint transformer = Checkpoint.OpenModel(files.Transformer);
            long bytes = new[] { files.Transformer, files.LowNoiseTransformer, files.Vae, files.TinyVae,
                files.TextEncoder, files.ImageEncoder, files.Tokenizer }.OfType<string>().Sum(Bytes);
            return new Entry(name, ModelSpec.Of(WanCheckpoint.ReadConfig(transformer), files.LowNoiseTransformer is null ? 1 : 2).Name,
                WanVariant.Of(transformer).Name, bytes, files.Defaults?.RandomWeights ?? false, null);
        }
        catch (Exception e) when (e is TurboDiffusionException or IOException)
        {
            return new Entry(name, null, null, 0, false, e.Message);
        }
    }

    // A part may be a folder of shards, which others' files may lie beside.
    private static long Bytes(string path) => Directory.Exists(path)
        ? Directory.GetFiles(path, "*.safetensors").Sum(f => new FileInfo(f).Length)
        : new FileInfo(path).Length;

    private sealed record Entry(string Name, string? Preset, string? Variant, long Bytes, bool RandomWeights, string? Problem);
}
