using Spectre.Console;

namespace TurboDiffusion.Cli;

/// <summary>
/// Where a command writes, and when it is to end. Results go to the standard output, everything else to the standard error.
/// </summary>
/// <param name="Out">Results.</param>
/// <param name="Error">Errors, and progress as lines.</param>
/// <param name="Live">The standard error where it is a screen that can be redrawn; null where it is redirected.</param>
/// <param name="Width">Columns of text, for help.</param>
/// <param name="Cancelled">Cancelled by Ctrl-C.</param>
internal sealed record Terminal(TextWriter Out, TextWriter Error, IAnsiConsole? Live, int Width, CancellationToken Cancelled)
{
    private const int RedirectedWidth = 100;
    private const int NarrowestWidth = 60;

    /// <summary>The terminal of the process.</summary>
    /// <param name="cancelled">Cancelled by Ctrl-C.</param>
    public static Terminal OfProcess(CancellationToken cancelled)
    {
        // Work does not end because its progress cannot be shown; without its result it has not been done.
        Console.SetError(new GuardedWriter(Console.Error));
        var output = new GuardedWriter(Console.Out, static cause => new EnvironmentException("output",
            $"The standard output cannot be written: {ErrorMessage.OneLine(cause)}", cause));
        return new(output, Console.Error, Console.IsErrorRedirected ? null : LiveConsole(),
            Console.IsOutputRedirected ? RedirectedWidth : Math.Max(NarrowestWidth, Console.WindowWidth), cancelled);
    }

    private static IAnsiConsole? LiveConsole()
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Profile.Capabilities is { Ansi: true, Interactive: true } ? console : null;
    }
}
