using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using TurboDiffusion.Cli.Commands;
using TurboDiffusion.Cli.Diagnosis;
using TurboDiffusion.Cli.Help;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Cli;

/// <summary>The <c>turbodiffusion</c> command: its subcommands, and how their ends become exit codes.</summary>
internal static class CommandLine
{
    /// <summary>The option of every command that shows the details of an error.</summary>
    internal const string VerboseName = "--verbose";

    /// <summary>Runs a command line.</summary>
    /// <param name="args">The arguments.</param>
    /// <param name="terminal">Where it writes.</param>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static int Run(string[] args, Terminal terminal)
    {
        // The engine loads the libtorch that is named as soon as one of its types is used. What computes nothing must neither
        // wait for it nor fail with it; the doctor tries it in another process.
        string? libTorch = Environment.GetEnvironmentVariable(LibTorch.FolderVariable);
        if (libTorch is not null && IsLight(args)) Environment.SetEnvironmentVariable(LibTorch.FolderVariable, null);
        bool verbose = args.Contains(VerboseName);
        try
        {
            // No response files: a prompt may begin with @.
            RootCommand root = Root(terminal, libTorch);
            ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
            Command command = parsed.CommandResult.Command;
            if (parsed.Action is not HelpPage
                && (ArgumentCheck.UnknownOption(args, command, root) ?? ArgumentCheck.MissingValue(args, parsed)
                    ?? ArgumentCheck.ImpossibleValue(args, parsed)) is { } wrong)
                return Usage([wrong], command, terminal);
            if (parsed.Action is ParseErrorAction) return Usage(Errors(parsed, root), command, terminal);
            return parsed.Invoke(new InvocationConfiguration
            {
                Output = terminal.Out,
                Error = terminal.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
        }
        // Ctrl-C reaches ffmpeg too, so that what ends the work may be an error that follows from it.
        catch (Exception e) when (e is OperationCanceledException || terminal.Cancelled.IsCancellationRequested)
        {
            terminal.Error.WriteLine("cancelled");
            return ExitCode.Cancelled;
        }
        catch (Exception e)
        {
            terminal.Error.WriteLine($"error: {ErrorMessage.Of(e)}");
            if (verbose) terminal.Error.WriteLine(e);
            return ExitCode.Error;
        }
    }

    private static bool IsLight(string[] args) =>
        !args.Contains(NativeProbe.Option)
        && (args is [] or ["doctor" or "models" or "--version", ..] || args.Any(a => a is "--help" or "-h" or "-?"));

    /// <summary>The program's commands.</summary>
    /// <param name="terminal">Where they write.</param>
    /// <param name="libTorchFolder">The libtorch that the user named, for the doctor.</param>
    internal static RootCommand Root(Terminal terminal, string? libTorchFolder)
    {
        var root = new RootCommand("Videos from text and images with TurboDiffusion and Wan models.")
        {
            new GenerateCommand(terminal),
            new ServeCommand(terminal),
            new McpCommand(terminal),
            new ModelsCommand(terminal),
            new PlanCommand(terminal),
            new InspectCommand(terminal),
            new ConvertCommand(terminal),
            new QuantizeCommand(terminal),
            new MergeCommand(terminal),
            new NewCommand(terminal),
            new EncodeCommand(terminal),
            new WorldCommand(terminal),
            new TrainCommand(terminal),
            new EvaluateCommand(terminal),
            new BenchCommand(terminal),
            new DoctorCommand(terminal, libTorchFolder),
        };
        root.Options.Add(new Option<bool>(VerboseName) { Description = "Show the details of an error.", Recursive = true });
        root.Options.OfType<HelpOption>().Single().Action = new HelpPage(terminal);
        root.SetAction(_ =>
        {
            HelpPage.Write(root, terminal.Error, terminal.Width);
            return ExitCode.Usage;
        });
        return root;
    }

    private static IEnumerable<string> Errors(ParseResult parsed, RootCommand root)
    {
        if (parsed.UnmatchedTokens is not [var word, ..]) return parsed.Errors.Select(e => e.Message).Distinct();
        string shown = ArgumentCheck.Shown(word);
        if (parsed.CommandResult.Command != root)
            return [$"'{shown}' is one word too many. A text of several words needs quotation marks: \"a cat surfs\"."];
        string? near = ArgumentCheck.Nearest(word, root.Subcommands.Select(c => c.Name));
        return [$"There is no command '{shown}'.{(near is null ? "" : $" Did you mean {near}?")}"];
    }

    private static int Usage(IEnumerable<string> messages, Command command, Terminal terminal)
    {
        foreach (string message in messages) terminal.Error.WriteLine($"error: {message}");
        terminal.Error.WriteLine($"See {HelpPage.PathOf(command)} --help.");
        return ExitCode.Usage;
    }
}
