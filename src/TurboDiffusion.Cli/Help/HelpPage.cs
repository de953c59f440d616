using System.CommandLine;
using System.CommandLine.Invocation;
using TurboDiffusion.Cli.Commands;

namespace TurboDiffusion.Cli.Help;

/// <summary>Help with the options in groups and with examples.</summary>
internal sealed class HelpPage(Terminal terminal) : SynchronousCommandLineAction
{
    private const int Indent = 2;
    private const int WidestName = 34;

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        Write(parseResult.CommandResult.Command, terminal.Out, terminal.Width);
        return ExitCode.Success;
    }

    /// <summary>The words that call a command.</summary>
    public static string PathOf(Command command) => command is RootCommand ? "turbodiffusion" : $"turbodiffusion {command.Name}";

    /// <summary>Writes the help of a command.</summary>
    public static void Write(Command command, TextWriter output, int width)
    {
        var cli = command as CliCommand;
        output.WriteLine(command.Description);
        output.WriteLine();
        string[] usages = cli is { Usages.Count: > 0 } ? [.. cli.Usages] : [Arguments(command)];
        for (int i = 0; i < usages.Length; i++)
            output.WriteLine($"{(i == 0 ? "Usage:" : "      ")} {PathOf(command)}{usages[i]} [options]");
        if (cli is { Details: { } details })
        {
            output.WriteLine();
            foreach (string line in Wrap(details, width)) output.WriteLine(line);
        }
        Section("Commands", command.Subcommands.Select(c => (c.Name, c.Description)));
        Section("Arguments", command.Arguments.Select(a => (Value(a), a.Description)));
        foreach (OptionGroup group in cli?.Groups ?? []) Section(group.Title, group.Options.Select(Row));
        IEnumerable<Option> grouped = cli?.Groups.SelectMany(g => g.Options) ?? [];
        Section("Other", command.Options.Where(o => !o.Hidden).Except(grouped)
            .Concat(command.Parents.OfType<Command>().SelectMany(p => p.Options.Where(o => o.Recursive))).Select(Row));
        if (cli is null or { Examples.Count: 0 }) return;
        output.WriteLine();
        output.WriteLine("Examples:");
        foreach (string example in cli.Examples) output.WriteLine($"  turbodiffusion {example}");

        void Section(string title, IEnumerable<(string Name, string? Description)> rows)
        {
            (string Name, string? Description)[] all = [.. rows];
            if (all.Length == 0) return;
            output.WriteLine();
            output.WriteLine($"{title}:");
            int column = Indent + Math.Min(WidestName, all.Max(r => r.Name.Length)) + 2;
            foreach ((string name, string? description) in all)
            {
                string[] lines = [.. Wrap(description ?? "", width - column)];
                bool beside = name.Length <= WidestName;
                output.WriteLine(beside ? $"{new string(' ', Indent)}{name.PadRight(column - Indent)}{lines.FirstOrDefault()}".TrimEnd()
                    : $"{new string(' ', Indent)}{name}");
                foreach (string line in lines.Skip(beside ? 1 : 0)) output.WriteLine(new string(' ', column) + line);
            }
        }
    }

    private static string Arguments(Command command) => (command.Subcommands.Count > 0 ? " COMMAND" : "")
        + string.Concat(command.Arguments.Select(a => (a.Arity.MinimumNumberOfValues, a.Arity.MaximumNumberOfValues) switch
        {
            (0, _) => $" [{Value(a)}]",
            (_, > 1) => $" {Value(a)}…",
            _ => $" {Value(a)}",
        }));

    private static string Value(Argument argument) => argument.HelpName ?? argument.Name.ToUpperInvariant();

    private static (string, string?) Row(Option option)
    {
        string names = string.Join(", ", option.Aliases.Where(a => a.StartsWith('-')).Append(option.Name).Distinct()
            .OrderBy(a => a.Length));
        return (option.HelpName is { } value && option.ValueType != typeof(bool) ? $"{names} {value}" : names, option.Description);
    }

    private static IEnumerable<string> Wrap(string text, int width)
    {
        string line = "";
        foreach (string word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                yield return line;
                line = "";
            }
            line = line.Length == 0 ? word : $"{line} {word}";
        }
        if (line.Length > 0) yield return line;
    }
}
