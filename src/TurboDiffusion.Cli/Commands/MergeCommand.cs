using System.CommandLine;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Training.Merging;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>merge</c>: what a tuning changed is applied to another model.</summary>
internal sealed class MergeCommand : WritingCommand
{
    private readonly Argument<string> _base = new("BASE") { Description = "The model that is changed, such as one distilled by rCM." };
    private readonly Argument<string> _tuned = new("TUNED") { Description = "What a tuning ended with, such as an SLA-tuned model." };
    private readonly Argument<string> _tunedFrom = new("TUNED_FROM") { Description = "What that tuning began from." };
    private readonly Option<double?> _weight = Opt.Number<double>("--weight", "W", "How much of the change is applied. Default: 1, all of it.", "-w");

    /// <summary>Creates the command.</summary>
    public MergeCommand(Terminal terminal)
        : base(terminal, "merge", "Apply what a tuning changed to another model: BASE + W x (TUNED - TUNED_FROM).")
    {
        foreach (Argument<string> argument in new[] { _base, _tuned, _tunedFrom, Output }) Arguments.Add(argument);
        AddOptions(_weight);
        Details = "All three are float transformers of the same size, in any format and layout. Tensors that only TUNED has (the projection of "
            + "sparse-linear attention) are carried over.";
        Examples = ["merge rcm.safetensors sla.safetensors original.safetensors turbo.safetensors"];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        using ICheckpoint baseModel = Checkpoint.OpenModel(parsed.GetRequiredValue(_base)),
            tuned = Checkpoint.OpenModel(parsed.GetRequiredValue(_tuned)),
            tunedFrom = Checkpoint.OpenModel(parsed.GetRequiredValue(_tunedFrom));
        string path = CheckOutput(parsed, Math.Max(baseModel.Tensors.Values.Sum(t => t.ByteCount), tuned.Tensors.Values.Sum(t => t.ByteCount)));
        MergeReport? report = null;
        int code = Write(path, (file, progress) =>
            report = CheckpointMerge.Merge(baseModel, tunedFrom, tuned, parsed.GetValue(_weight) ?? 1, file, progress, Terminal.Cancelled));
        Terminal.Out.WriteLine($"{report!.Merged.Count} tensors changed, {report.CarriedFromTuned.Count} carried over from {tuned.Path}, "
            + $"{report.KeptFromBase.Count} kept as in {baseModel.Path}, {report.Ignored.Count} of {tunedFrom.Path} not used");
        return code;
    }
}
