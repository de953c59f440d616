using System.Diagnostics;
using Xunit;

namespace TurboDiffusion.Tests.Media;

/// <summary>Shell scripts in the place of programs.</summary>
internal static class ShellScript
{
    /// <summary>Writes one that can be run at once.</summary>
    /// <remarks>
    /// Another process writes it. A file that this one has open for writing is open in every process that another test begins meanwhile,
    /// until that runs its own program, and Linux runs none that is open for writing ("Text file busy").
    /// </remarks>
    /// <param name="path">The file; one that is there is replaced.</param>
    /// <param name="commands">What it does.</param>
    public static void Write(string path, string commands)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The stand-ins are shell scripts");
        using Process writer = Process.Start("/bin/sh",
            ["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 700 \"$0\"", path, commands]);
        writer.WaitForExit();
        Assert.Equal(0, writer.ExitCode);
    }
}
