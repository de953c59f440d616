using System.Diagnostics;
using Xunit;

namespace TurboDiffusion.Cli.Tests.Faults;

/// <summary>What the system refuses, at whichever call, is an error, and what was there before stays.</summary>
public class FailingDiskTests(Models models)
{
    [Theory]
    [InlineData("v.mp4", "write", FailingDisk.Quota, 1)]
    [InlineData("v.mp4", "fsync", FailingDisk.Quota, 0)]
    [InlineData("v.webm", "close", FailingDisk.Quota, 0)]
    [InlineData("v.gif", "fsync", FailingDisk.Broken, 0)]
    [InlineData("frames/", "write", FailingDisk.Quota, 2)]
    [InlineData("frames/", "fsync", FailingDisk.Quota, 3)]
    public async Task Of_a_video(string name, string call, int error, int after)
    {
        string folder = models.NewFolder(), output = Path.Combine(folder, name),
            before = name.EndsWith('/') ? Path.Combine(output, "frame_00000.png") : output;
        await NothingIsLost(folder, before, call, error, after, [.. models.Generate(output), "--quiet", "--overwrite"]);
    }

    [Theory]
    [InlineData("fsync", 0)]
    [InlineData("write", 3)]
    public async Task Of_a_checkpoint(string call, int after)
    {
        string folder = models.NewFolder(), output = Path.Combine(folder, "t.safetensors");
        await NothingIsLost(folder, output, call, FailingDisk.Quota, after,
            ["convert", models.Files.Transformer, output, "--overwrite"]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    public async Task Of_a_model(int after)
    {
        string folder = models.NewFolder();
        await NothingIsLost(folder, Path.Combine(folder, "another"), "fsync", FailingDisk.Quota, after,
            ["new", "small", Path.Combine(folder, "model")]);
    }

    private static async Task NothingIsLost(string folder, string before, string call, int error, int after, string[] command)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(before)!);
        await File.WriteAllTextAsync(before, "of before");
        using Process process = CommandRun.Start(FailingDisk.Variables(folder, call, error, after), AppContext.BaseDirectory, command);
        CommandRun run = await CommandRun.EndOf(process);
        Assert.Equal((1, ""), (run.ExitCode, run.Out));
        Assert.Matches(error == FailingDisk.Quota ? "Disk quota exceeded" : "Input/output error", Assert.Single(run.Errors));
        Assert.Equal("of before", await File.ReadAllTextAsync(before));
        // Hidden ones too.
        var everything = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 };
        Assert.Equal([before], Directory.GetFiles(folder, "*", everything));
        Assert.True(Directory.GetDirectories(folder).Length <= (before.EndsWith(".png", StringComparison.Ordinal) ? 1 : 0));
    }
}
