using System.CommandLine;
using TurboDiffusion.Cli.Commands;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Cli.Serving;

/// <summary>Which model <c>serve</c> and <c>mcp</c> run, and how.</summary>
internal sealed class EngineOptions
{
    private readonly Option<string?> _model = Opt.Text("--model", "NAME|FOLDER",
        "A model of the library (see turbodiffusion models) or the folder of one. Default: shapes, the small model that comes with the "
            + "program.", "-m");
    private readonly Option<string?> _device = Opt.Text("--device", "auto|cpu|cuda|cuda:N",
        "Default: auto, the first GPU or else the CPU.");
    private readonly Option<WeightFormat?> _weights =
        Opt.Choice<WeightFormat>("--weights", "The number format of the transformer's layers. Default: the checkpoint's.");
    private readonly Option<WeightFormat?> _textWeights = Opt.TextEncoderWeights();
    private readonly Option<Residency?> _residency = Opt.Residency();

    /// <summary>All of them.</summary>
    public Option[] All => [_model, _device, _weights, _textWeights, _residency];

    /// <summary>Sets what the command line says; the rest stays.</summary>
    public void Apply(ParseResult parsed, TurboDiffusionOptions options)
    {
        options.Model = parsed.GetValue(_model) ?? options.Model;
        options.Device = parsed.GetValue(_device) ?? options.Device;
        options.Weights = parsed.GetValue(_weights) ?? options.Weights;
        options.TextEncoderWeights = parsed.GetValue(_textWeights) ?? options.TextEncoderWeights;
        options.Residency = parsed.GetValue(_residency) ?? options.Residency;
    }
}
