using System.CommandLine;
using TurboDiffusion.Cli.Diagnosis;
using TurboDiffusion.Cli.Output;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>doctor</c>: what the machine has, what is wrong, and the remedy.</summary>
internal sealed class DoctorCommand : CliCommand
{
    private readonly Option<bool> _json = Opt.Flag("--json", "Print the findings as JSON.");
    private readonly Option<bool> _probe = new(NativeProbe.Option) { Hidden = true };

    private readonly string? _libTorchFolder;

    /// <summary>Creates the command.</summary>
    /// <param name="terminal">Where it writes.</param>
    /// <param name="libTorchFolder">The libtorch that the environment names, or null.</param>
    public DoctorCommand(Terminal terminal, string? libTorchFolder)
        : base(terminal, "doctor", "Look for what is missing on this machine.")
    {
        _libTorchFolder = libTorchFolder;
        Add("Options", _json);
        Options.Add(_probe);
        Details = "Ends with 1 if something is missing without which no video can be made.";
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        if (parsed.GetValue(_probe))
        {
            Terminal.Out.WriteLine(Json.Of(NativeProbe.Look()));
            return ExitCode.Success;
        }
        IReadOnlyList<Finding> findings = Doctor.Examine(_libTorchFolder, Terminal.Cancelled);
        if (parsed.GetValue(_json)) Terminal.Out.WriteLine(Json.Of(findings));
        else TextTable.Write(Terminal.Out, [.. findings.SelectMany(Rows)]);
        return findings.Any(f => f.Health == Health.Broken) ? ExitCode.Error : ExitCode.Success;
    }

    private static IEnumerable<string[]> Rows(Finding finding)
    {
        yield return [finding.Health switch { Health.Fine => "ok", Health.Warning => "note", _ => "MISSING" }, finding.Subject,
            finding.Found];
        if (finding.Remedy is { } remedy) yield return ["", "", $"-> {remedy}"];
    }
}
