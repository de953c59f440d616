using System.Diagnostics;

namespace TurboDiffusion.Cli.Tests;

/// <summary>What a command line gave.</summary>
/// <param name="ExitCode">The exit code.</param>
/// <param name="Out">The standard output.</param>
/// <param name="Error">The standard error.</param>
internal sealed record CommandRun(int ExitCode, string Out, string Error)
{
    /// <summary>The errors among the lines of the standard error, which progress shares.</summary>
    public string[] Errors => [.. Error.Split('\n').Where(l => l.StartsWith("error: ", StringComparison.Ordinal))];

    /// <summary>Runs a command line in this process.</summary>
    public static CommandRun Of(params string[] args)
    {
        using StringWriter output = new(), error = new();
        int code = CommandLine.Run(args, new Terminal(output, error, null, 100, CancellationToken.None));
        return new CommandRun(code, output.ToString(), error.ToString());
    }

    /// <summary>Starts the program itself.</summary>
    /// <param name="environment">Variables to set, or to remove where the value is null.</param>
    /// <param name="folder">The folder that the program is in.</param>
    /// <param name="args">The arguments.</param>
    public static Process Start(IReadOnlyDictionary<string, string?> environment, string folder, params string[] args)
    {
        var start = new ProcessStartInfo(Path.Combine(folder, "TurboDiffusion.Cli"), args)
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        foreach ((string name, string? value) in environment) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>Waits for the program's end.</summary>
    public static async Task<CommandRun> EndOf(Process process, TimeSpan? patience = null)
    {
        using CancellationTokenSource end = new(patience ?? TimeSpan.FromMinutes(2));
        Task<string> output = process.StandardOutput.ReadToEndAsync(end.Token), error = process.StandardError.ReadToEndAsync(end.Token);
        await process.WaitForExitAsync(end.Token);
        return new CommandRun(process.ExitCode, await output, await error);
    }
}
