using System.CommandLine;
using TurboDiffusion.Checkpoints.Lora;

namespace TurboDiffusion.Cli.Commands;

/// <summary>The options that name LoRAs.</summary>
internal sealed class LoraArguments
{
    private const string Value = "FILE[:STRENGTH]";

    private readonly Option<string[]> _all = Opt.Texts("--lora", Value,
        "A LoRA to merge into the transformer, in any layout; may be given several times. Default strength: 1.");
    private readonly Option<string[]> _high = Opt.Texts("--lora-high", Value,
        "With two experts: a LoRA for the high-noise one. With one transformer: that half of a LoRA of both.");
    private readonly Option<string[]> _low = Opt.Texts("--lora-low", Value,
        "With two experts: a LoRA for the low-noise one. With one transformer: that half of a LoRA of both.");

    /// <summary>All of them.</summary>
    public Option[] Options => [_all, _high, _low];

    /// <summary>The LoRAs in the order of the options.</summary>
    /// <param name="parsed">The arguments.</param>
    /// <exception cref="InvalidRequestException">One is not FILE or FILE:STRENGTH.</exception>
    public IReadOnlyList<LoraOptions> Of(ParseResult parsed) =>
    [
        .. from option in new[] { (Texts: _all, Experts: LoraExperts.All), (Texts: _high, Experts: LoraExperts.HighNoise),
            (Texts: _low, Experts: LoraExperts.LowNoise) }
           from text in parsed.GetValue(option.Texts) ?? []
           select LoraOptions.Parse(text, option.Experts),
    ];
}
