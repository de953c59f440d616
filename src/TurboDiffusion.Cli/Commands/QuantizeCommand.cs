using System.CommandLine;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Models.Int8;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>quantize</c>: a float transformer or text encoder becomes one with int8 weights.</summary>
internal sealed class QuantizeCommand : WritingCommand
{
    private readonly Argument<string> _input = new("IN") { Description = "A float transformer or text encoder in any format and layout." };

    /// <summary>Creates the command.</summary>
    public QuantizeCommand(Terminal terminal)
        : base(terminal, "quantize", "Turn a transformer's or text encoder's layers into int8, as in the published quantized files.")
    {
        Arguments.Add(_input);
        Arguments.Add(Output);
        AddOptions();
        Details = "The weights of the blocks' linear layers become int8 in blocks of 128x128 with one scale each; everything else stays "
            + "as it is.";
        Examples =
        [
            "quantize TurboWan2.1-T2V-1.3B-480P.pth turbo-int8.safetensors",
            "quantize models_t5_umt5-xxl-enc-bf16.pth umt5-int8.safetensors",
        ];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        using ICheckpoint input = Checkpoint.OpenModel(parsed.GetRequiredValue(_input));
        ModelKind kind = CheckpointLayout.Detect(input).Kind;
        Int8Layers layers = kind switch
        {
            ModelKind.Transformer => WanCheckpoint.Int8Layers,
            ModelKind.TextEncoder => UMT5Checkpoint.Int8Layers,
            _ => throw new CheckpointException(input.Path,
                $"is a {InspectionReport.Name(kind)}, of which there is no int8 form. Give a transformer or a text encoder."),
        };
        if (layers.FormatOf(input) == WeightFormat.Int8) throw new CheckpointException(input.Path, "has int8 weights already.");
        return Write(parsed, TensorSource.From(layers.As(input, WeightFormat.Int8)),
            kind == ModelKind.Transformer ? WanCheckpoint.Metadata(WanCheckpoint.ReadConfig(input), input.Metadata) : input.Metadata);
    }
}
