using System.Diagnostics;

namespace TurboDiffusion.Cli;

/// <summary>This program, to be started once more.</summary>
internal static class ThisProgram
{
    /// <summary>How to start it, whether it runs as a program of its own, through dotnet, or as a tool.</summary>
    /// <param name="arguments">What it is told.</param>
    public static ProcessStartInfo With(IEnumerable<string> arguments)
    {
        string assembly = typeof(ThisProgram).Assembly.Location,
            host = Path.ChangeExtension(assembly, OperatingSystem.IsWindows() ? ".exe" : null);
        if (assembly.Length > 0 && File.Exists(host)) return new ProcessStartInfo(host, arguments);
        string process = Environment.ProcessPath ?? throw new InvalidOperationException("The path of this process is not known.");
        bool byDotnet = Path.GetFileNameWithoutExtension(process) == "dotnet";
        return new ProcessStartInfo(process, byDotnet ? arguments.Prepend(assembly) : arguments);
    }
}
