using System.CommandLine;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Training.Merging;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>merge</c>: what a tuning changed, or LoRAs, are applied to another model.</summary>
internal sealed class MergeCommand : WritingCommand
{
    private readonly Argument<string> _base = new("BASE") { Description = "The model that is changed, such as one distilled by rCM." };
    private readonly Argument<string[]> _others = new("TUNED TUNED_FROM OUT")
    {
        Arity = new ArgumentArity(1, 3),
        Description = "What a tuning ended with, such as an SLA-tuned model; what it began from; and the .safetensors file to write. With "
            + "--lora: the file to write alone.",
    };

    private readonly Option<double?> _weight = Opt.Number<double>("--weight", "W",
        "How much of a tuning's change is applied. Default: 1, all of it.", "-w");
    private readonly LoraArguments _loras = new();

    /// <summary>Creates the command.</summary>
    public MergeCommand(Terminal terminal)
        : base(terminal, "merge", "Apply LoRAs to a model, or what a tuning changed: BASE + W x (TUNED - TUNED_FROM).")
    {
        Arguments.Add(_base);
        Arguments.Add(_others);
        AddOptions([_weight, .. _loras.Options]);
        Usages = [" BASE TUNED TUNED_FROM OUT", " BASE OUT --lora FILE[:STRENGTH]"];
        Details = "All are transformers of the same size, in any format and layout. Of a tuning, all three are float ones, and tensors "
            + "that only TUNED has (the projection of sparse-linear attention) are carried over. With LoRAs, the result has BASE's "
            + "variant: int8 stays int8. Of a LoRA of two experts, --lora-high or --lora-low says which of them BASE is.";
        Examples =
        [
            "merge rcm.safetensors sla.safetensors original.safetensors turbo.safetensors",
            "merge Wan2.1-T2V-14B.safetensors merged.safetensors --lora lightx2v_4step.safetensors --lora style.safetensors:0.8",
            "merge wan2.2_low_noise.safetensors merged_low.safetensors --lora-low style_of_both_experts.safetensors",
        ];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        string[] others = parsed.GetRequiredValue(_others);
        IReadOnlyList<LoraOptions> loras = _loras.Of(parsed);
        return loras.Count > 0 ? RunLoras(parsed, others, loras) : RunTuning(parsed, others);
    }

    private int RunTuning(ParseResult parsed, string[] others)
    {
        if (others is not [string tunedPath, string tunedFromPath, string output])
            throw new InvalidRequestException("TUNED", "A merge needs BASE TUNED TUNED_FROM OUT, or, for LoRAs, BASE OUT --lora FILE.");
        using ICheckpoint baseModel = Checkpoint.OpenModel(parsed.GetRequiredValue(_base)),
            tuned = Checkpoint.OpenModel(tunedPath),
            tunedFrom = Checkpoint.OpenModel(tunedFromPath);
        string path = CheckOutput(parsed, output,
            Math.Max(baseModel.Tensors.Values.Sum(t => t.ByteCount), tuned.Tensors.Values.Sum(t => t.ByteCount)));
        MergeReport? report = null;
        int code = Write(path, (file, progress) =>
            report = CheckpointMerge.Merge(baseModel, tunedFrom, tuned, parsed.GetValue(_weight) ?? 1, file, progress, Terminal.Cancelled));
        Terminal.Out.WriteLine($"{report!.Merged.Count} tensors changed, {report.CarriedFromTuned.Count} carried over from {tuned.Path}, "
            + $"{report.KeptFromBase.Count} kept as in {baseModel.Path}, {report.Ignored.Count} of {tunedFrom.Path} not used");
        return code;
    }

    private int RunLoras(ParseResult parsed, string[] others, IReadOnlyList<LoraOptions> options)
    {
        if (others is not [string output] || parsed.GetValue(_weight) is not null)
            throw new InvalidRequestException("lora",
                "A merge of LoRAs needs BASE OUT --lora FILE, and no --weight; a strength follows the file, as in --lora FILE:0.8.");
        using ICheckpoint baseModel = Checkpoint.OpenModel(parsed.GetRequiredValue(_base));
        using var loras = LoraSet.Open(options);
        WanConfig config = WanCheckpoint.ReadConfig(baseModel);
        var merged = (LoraCheckpoint)loras.MergeInto(baseModel, 0, 1);
        foreach (string warning in loras.Warnings) Terminal.Error.WriteLine($"warning: {warning}");
        ICheckpoint result = WanCheckpoint.Int8Layers.As(merged, WanVariant.Of(baseModel).Weights);
        int code = Write(CheckOutput(parsed, output, result.Tensors.Values.Sum(t => t.ByteCount)), InTypesOf(baseModel, result),
            WanCheckpoint.Metadata(config, baseModel.Metadata));
        Terminal.Out.WriteLine($"{merged.ChangedTensors} tensors changed");
        return code;
    }

    // The sums are float32; the file is as BASE is.
    private static IReadOnlyList<TensorSource> InTypesOf(ICheckpoint baseModel, ICheckpoint result) =>
        [.. result.Tensors.Values.Select(t =>
            TensorSource.Of(result, t.Name, baseModel.Tensors.TryGetValue(t.Name, out TensorInfo? before) ? before.Dtype : t.Dtype))];
}
