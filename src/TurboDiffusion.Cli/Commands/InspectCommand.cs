using System.CommandLine;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>inspect</c>: what checkpoint files are, from their headers alone.</summary>
internal sealed class InspectCommand : CliCommand
{
    private readonly Argument<string[]> _files = new("FILE")
    {
        Arity = ArgumentArity.OneOrMore, Description =
            "Checkpoint files (.safetensors, .gguf, .pth), indexes of sharded ones, folders that hold one, or folders of models.",
    };
    private readonly Option<bool> _tensors = Opt.Flag("--tensors", "List the tensors.");
    private readonly Option<bool> _json = Opt.Flag("--json", "Print the result as JSON.");

    /// <summary>Creates the command.</summary>
    public InspectCommand(Terminal terminal)
        : base(terminal, "inspect", "Show which model a checkpoint is, and whether it is complete.")
    {
        Arguments.Add(_files);
        Add("Options", _tensors, _json);
        Details = "Names, shapes and types decide, never the file's name; no weights are read. Ends with 1 if a file cannot be used.";
        Examples = ["inspect Wan2.1_VAE.pth", "inspect model.safetensors --tensors"];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        bool tensors = parsed.GetValue(_tensors), json = parsed.GetValue(_json);
        var found = new List<object>();
        bool usable = true;
        foreach (string named in parsed.GetRequiredValue(_files))
        {
            try
            {
                foreach (string path in Files(named)) Inspect(path);
            }
            // One that cannot be read does not hide the others.
            catch (TurboDiffusionException e)
            {
                usable = false;
                Terminal.Error.WriteLine($"error: {ErrorMessage.Of(e)}");
                if (parsed.GetValue<bool>(CommandLine.VerboseName)) Terminal.Error.WriteLine(e);
                if (json) found.Add(new { Path = named, Error = ErrorMessage.Of(e) });
            }
        }
        if (json) Terminal.Out.WriteLine(Json.Of(found));
        return usable ? ExitCode.Success : ExitCode.Error;

        void Inspect(string path)
        {
            Terminal.Cancelled.ThrowIfCancellationRequested();
            using ICheckpoint checkpoint = Checkpoint.Open(path);
            CheckpointReport report = CheckpointInspector.Inspect(checkpoint);
            usable &= report.Problems.Count == 0;
            if (json) found.Add(InspectionReport.Json(report, tensors ? checkpoint : null));
            else InspectionReport.Write(Terminal.Out, report, tensors ? checkpoint : null);
        }
    }

    // A model's folder is its checkpoints.
    private static IEnumerable<string> Files(string path)
    {
        if (!ModelFiles.AreIn(path)) return [path];
        ModelFiles files = ModelFiles.FromFolder(path);
        return new[] { files.Transformer, files.LowNoiseTransformer, files.Vae, files.TinyVae, files.TextEncoder, files.ImageEncoder }
            .OfType<string>();
    }
}
