using System.Diagnostics;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

/// <summary>Standard streams that are closed, on a full disk, or read by nobody: the work is done, or one line says why not.</summary>
public class StreamTests(Models models)
{
    [Theory]
    [InlineData(">&-", 1)]
    [InlineData(">/dev/full", 1)]
    [InlineData("2>&-", 0)]
    [InlineData("2>/dev/full", 0)]
    [InlineData("<&-", 0)]
    [InlineData("<&- >&- 2>&-", 0)]
    [InlineData("| true", 0)]
    [InlineData("2>&1 >/dev/null | true", 0)]
    public async Task A_video_is_made(string streams, int code)
    {
        string path = Path.Combine(models.NewFolder(), "v.gif");
        CommandRun run = await Shell(streams, models.Generate(path));
        Assert.Equal(code, run.ExitCode);
        Assert.True(File.Exists(path));
        if (code == 1) Assert.StartsWith("error: The standard output cannot be written: ", Assert.Single(run.Errors));
        Assert.DoesNotContain("Exception", run.Error);
    }

    [Theory]
    [InlineData("generate", "--help")]
    [InlineData("models")]
    [InlineData("doctor", "--json")]
    public async Task Results_that_cannot_be_written_are_one_line(params string[] command)
    {
        CommandRun run = await Shell(">/dev/full", command);
        Assert.Equal(1, run.ExitCode);
        Assert.Equal("error: The standard output cannot be written: No space left on device.", Assert.Single(run.Errors));
    }

    private static async Task<CommandRun> Shell(string streams, string[] command)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "/dev/full");
        using var process = Process.Start(new ProcessStartInfo("bash",
            ["-c", $"set -o pipefail; \"$0\" \"$@\" {streams}", Path.Combine(AppContext.BaseDirectory, "TurboDiffusion.Cli"), .. command])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        return await CommandRun.EndOf(process);
    }
}
