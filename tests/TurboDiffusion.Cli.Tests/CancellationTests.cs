using System.Diagnostics;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class CancellationTests(Models models)
{
    [Theory]
    [InlineData("denoising")]
    [InlineData("decoding")]
    public async Task An_interrupt_leaves_no_file_and_ends_with_130(string stage)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Sends a POSIX signal.");
        string folder = models.NewFolder();
        // Long enough not to end by itself.
        using Process process = CommandRun.Start(new Dictionary<string, string?>(), AppContext.BaseDirectory,
            "generate", "a red circle", "--model", models.Folder, "--device", "cpu", "--size", "256x256", "--frames", "41", "--steps",
            stage == "denoising" ? "4" : "1", "-o", Path.Combine(folder, "video.mp4"));
        while (await process.StandardError.ReadLineAsync() is { } line && !line.StartsWith(stage, StringComparison.Ordinal))
        {
        }
        Assert.False(process.HasExited);
        using (Process kill = Process.Start("kill", ["-INT", $"{process.Id}"])) await kill.WaitForExitAsync();
        CommandRun run = await CommandRun.EndOf(process);
        Assert.Equal((130, ""), (run.ExitCode, run.Out));
        Assert.EndsWith("cancelled\n", run.Error);
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }
}
