using System.ComponentModel;
using System.Diagnostics;
using Xunit;

namespace TurboDiffusion.Cli.Tests.Faults;

/// <summary>
/// A disk that says no: to a write, or only when a file is to be kept (<c>fsync</c>) or closed, as a network drive with a quota does. It is
/// a library before the C library's own functions, in processes that are started with <see cref="Variables"/>.
/// </summary>
internal static class FailingDisk
{
    /// <summary>Numbers of errors on Linux.</summary>
    public const int Quota = 122, Broken = 5;

    private static readonly Lazy<string?> Library = new(Compile);

    /// <summary>What the environment of such a process has beside everything else; the test is skipped where no compiler is.</summary>
    /// <param name="folder">Where the calls fail.</param>
    /// <param name="call"><c>write</c>, <c>fsync</c> or <c>close</c>.</param>
    /// <param name="error">The number of the error.</param>
    /// <param name="after">How many of the calls still work.</param>
    public static Dictionary<string, string?> Variables(string folder, string call, int error, int after)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Library.Value is not null, "There is no gcc on the PATH, or no Linux.");
        return new()
        {
            ["LD_PRELOAD"] = Library.Value, ["FAILING_FOLDER"] = folder, ["FAILING_CALL"] = call, ["FAILING_ERRNO"] = $"{error}",
            ["FAILING_AFTER"] = $"{after}",
        };
    }

    private static string? Compile()
    {
        string source = Path.Combine(AppContext.BaseDirectory, "Faults", "failing_disk.c"), library = Path.ChangeExtension(source, ".so");
        try
        {
            using Process gcc = Process.Start("gcc", ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]);
            gcc.WaitForExit();
            Assert.Equal(0, gcc.ExitCode);
            return library;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }
}
