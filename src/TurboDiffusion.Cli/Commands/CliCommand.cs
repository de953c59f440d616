using System.CommandLine;

namespace TurboDiffusion.Cli.Commands;

/// <summary>A subcommand: its options in groups, its examples, and what it does.</summary>
internal abstract class CliCommand : Command
{
    private readonly List<OptionGroup> _groups = [];

    /// <summary>Creates the command.</summary>
    /// <param name="terminal">Where it writes.</param>
    /// <param name="name">What calls it.</param>
    /// <param name="description">What it does, in one line.</param>
    protected CliCommand(Terminal terminal, string name, string description)
        : base(name, description)
    {
        Terminal = terminal;
        SetAction(Run);
    }

    /// <summary>The options as help shows them.</summary>
    public IReadOnlyList<OptionGroup> Groups => _groups;

    /// <summary>Command lines to start from, without the program's name.</summary>
    public IReadOnlyList<string> Examples { get; protected init; } = [];

    /// <summary>What help says beyond the description.</summary>
    public string? Details { get; protected init; }

    /// <summary>Its arguments in their order where there is more than one, or where the parser's list says it wrongly.</summary>
    public IReadOnlyList<string> Usages { get; protected init; } = [];

    /// <summary>Where it writes.</summary>
    protected Terminal Terminal { get; }

    /// <summary>Does it.</summary>
    /// <param name="parsed">The arguments.</param>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    protected abstract int Run(ParseResult parsed);

    /// <summary>Adds options.</summary>
    /// <param name="title">What they are about.</param>
    /// <param name="options">The options in order.</param>
    protected void Add(string title, params Option[] options)
    {
        foreach (Option option in options) Options.Add(option);
        _groups.Add(new OptionGroup(title, options));
    }
}
