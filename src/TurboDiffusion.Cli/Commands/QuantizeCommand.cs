using System.CommandLine;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>quantize</c>: a float transformer becomes one with int8 weights.</summary>
internal sealed class QuantizeCommand : WritingCommand
{
    private readonly Argument<string> _input = new("IN") { Description = "A float transformer in any format and layout." };

    /// <summary>Creates the command.</summary>
    public QuantizeCommand(Terminal terminal)
        : base(terminal, "quantize", "Turn a transformer's layers into int8, as in the published quantized files.")
    {
        Arguments.Add(_input);
        Arguments.Add(Output);
        AddOptions();
        Details = "The weights of the blocks' linear layers become int8 in blocks of 128x128 with one scale each; everything else stays "
            + "as it is.";
        Examples = ["quantize TurboWan2.1-T2V-1.3B-480P.pth turbo-int8.safetensors"];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        using ICheckpoint input = Checkpoint.OpenModel(parsed.GetRequiredValue(_input));
        WanConfig config = WanCheckpoint.ReadConfig(input);
        if (WanVariant.Of(input).Weights == WeightFormat.Int8) throw new CheckpointException(input.Path, "has int8 weights already.");
        return Write(parsed, TensorSource.From(new QuantizedCheckpoint(input)), WanCheckpoint.Metadata(config, input.Metadata));
    }
}
