using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using TurboDiffusion.Generation.Models;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>The program <c>turbodiffusion serve</c> as a process of its own.</summary>
internal sealed partial class CommandProcess : IAsyncDisposable
{
    private static readonly Lazy<string> Small = new(() =>
    {
        var folder = Directory.CreateTempSubdirectory("turbodiffusion-small-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        new SmallModel().Write(folder);
        return folder;
    });

    private static readonly TimeSpan Ending = TimeSpan.FromMinutes(2);

    private readonly Process _process;

    private readonly StringBuilder _log;

    private CommandProcess(Process process, Uri address, StringBuilder log)
    {
        _process = process;
        _log = log;
        Address = address;
        Http = new HttpClient { BaseAddress = address };
    }

    /// <summary>The built program.</summary>
    public static string Program { get; } = Built("src", "TurboDiffusion.Cli");

    /// <summary>A program of the repository, built as the tests are.</summary>
    public static string Built(string folder, string name) => Path.Combine(
        Repository.Root, folder, name, "bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0", name + ".dll");

    /// <summary>A small model of random weights.</summary>
    public static string SmallModelFolder => Small.Value;

    public Uri Address { get; }

    public HttpClient Http { get; }

    /// <summary>What it has said.</summary>
    public string Log
    {
        get
        {
            lock (_log)
                return _log.ToString();
        }
    }

    /// <summary>Starts the service and waits until it answers.</summary>
    public static Task<CommandProcess> ServeAsync(params string[] arguments) => ServeWithAsync([], arguments);

    /// <summary>The same, with a folder for temporary files.</summary>
    public static Task<CommandProcess> ServeInAsync(string temporary, params string[] arguments) =>
        ServeWithAsync([("TMPDIR", temporary)], arguments);

    /// <summary>The same, with variables of the environment.</summary>
    public static async Task<CommandProcess> ServeWithAsync((string Name, string Value)[] environment, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Program, "serve", "--listen", "http://127.0.0.1:0", "--device", "cpu", .. arguments])
        {
            RedirectStandardError = true,
        };
        start.Environment["OMP_NUM_THREADS"] = "1";
        foreach (var (name, value) in environment)
            start.Environment[name] = value;

        var process = Process.Start(start)!;
        var seen = new StringBuilder();
        while (await process.StandardError.ReadLineAsync() is { } line)
        {
            seen.AppendLine(line);
            if (Started().Match(line) is { Success: true } started)
            {
                // Read on, so that the program is never held up by a full pipe.
                _ = ReadAsync(process.StandardError, seen);
                return new CommandProcess(process, new Uri(started.Groups[1].Value), seen);
            }
        }

        await process.WaitForExitAsync();
        throw new InvalidOperationException($"The service ended with {process.ExitCode}: {seen}");
    }

    /// <summary>As <c>kill -9</c> does.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>As Ctrl-C does.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> InterruptAsync()
    {
        using (var kill = Process.Start("kill", ["-INT", $"{_process.Id}"]))
            await kill.WaitForExitAsync();

        await _process.WaitForExitAsync().WaitAsync(Ending);
        return _process.ExitCode;
    }

    private static async Task ReadAsync(StreamReader output, StringBuilder log)
    {
        while (await output.ReadLineAsync() is { } line)
        {
            lock (log)
                log.AppendLine(line);
        }
    }

    [GeneratedRegex(@"\AThe (?:page is at|worker takes jobs; its health is at) (http://[0-9.:]+)")]
    private static partial Regex Started();

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        if (!_process.HasExited)
            await KillAsync();

        _process.Dispose();
    }
}
