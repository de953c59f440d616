using TorchSharp;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests.Media;
using TurboDiffusion.Training.Configuration;
using TurboDiffusion.Training.Data;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

/// <summary>
/// Every command that writes, on a disk that fills up: one line, nothing half written, and with room the same command succeeds.
/// (<c>WriteFailureTests</c> has the videos.)
/// </summary>
public class FullDiskTests(Models models)
{
    [Theory]
    [InlineData("convert", "TRANSFORMER", "DISK/t.safetensors")]
    [InlineData("quantize", "TRANSFORMER", "DISK/t.safetensors")]
    [InlineData("new", "small", "DISK/t.safetensors", "--part", "vae")]
    [InlineData("new", "small", "DISK/model")]
    [InlineData("world", "DISK/world", "--vae", "VAE", "--clips", "1", "--size", "64x64", "--frames", "9", "--device", "cpu")]
    [InlineData("encode", "VIDEOS", "DISK/clips", "--clips", "--size", "64x64", "--frames", "5", "--fps", "8")]
    [InlineData("train", "sla", "--config", "CONFIG", "--output", "DISK/run")]
    [InlineData("generate", "x", "--size", "64x64", "--frames", "5", "--steps", "1", "-o", "DISK/v.mp4", "--preview", "DISK/now.png")]
    public async Task A_full_disk_is_one_line_and_with_room_the_work_is_done(params string[] command)
    {
        string videos = models.NewFolder(), config = "";
        using var disk = new SmallDisk(16 << 10);
        if (command.Contains("VIDEOS")) await Videos.Write(Path.Combine(videos, "a.mp4"), 5, "a red square\r\n");
        if (command.Contains("CONFIG")) config = Sla();
        string[] args = [.. command.Select(a => a switch
        {
            "TRANSFORMER" => models.Files.Transformer,
            "VAE" => models.Files.Vae,
            "VIDEOS" => videos,
            "CONFIG" => config,
            _ => a.Replace("DISK", disk.Path, StringComparison.Ordinal),
        })];
        if (command[0] == "generate") args = [.. args, "--model", models.Folder, "--device", "cpu", "--overwrite"];
        foreach (int kilobytes in new[] { 0, 12 })
        {
            string filler = disk.File("filler");
            await File.WriteAllBytesAsync(filler, new byte[disk.Free - 1024 * kilobytes]);
            CommandRun run = CommandRun.Of(args);
            Assert.True(run.ExitCode == 1, $"{kilobytes} KB: {run.ExitCode} {run.Out} {run.Error}");
            Assert.Matches("No space left|of room|disk was full", Assert.Single(run.Errors));
            Assert.DoesNotContain("Exception", run.Error);
            Assert.DoesNotContain(disk.Content, entry => entry.Contains(".partial", StringComparison.Ordinal));
            Assert.DoesNotContain(disk.Content, entry => entry.Contains(".safetensors", StringComparison.Ordinal));
            File.Delete(filler);
        }
        CommandRun again = CommandRun.Of(args);
        Assert.True(again.ExitCode == 0, again.Error);
        Assert.NotEmpty(disk.Content);
    }

    [Theory]
    [InlineData("evaluate", "--plan", "PLAN", "-o", "DISK/results", "--keep-failures", "DISK/failures")]
    [InlineData("bench", "--device", "cpu", "--patience", "0", "--attention", "dense", "--json", "DISK/results")]
    public void Results_without_room_are_one_line_and_those_of_before_stay(params string[] command)
    {
        using var disk = new SmallDisk(1 << 10);
        string results = disk.File("results"), filler = disk.File("filler");
        File.WriteAllText(results, "of before");
        string[] args = [.. command.Select(a => a == "PLAN" ? EvaluateTests.Plan(models, models.NewFolder())
            : a.Replace("DISK", disk.Path, StringComparison.Ordinal))];
        File.WriteAllBytes(filler, new byte[disk.Free]);
        CommandRun run = CommandRun.Of(args);
        Assert.Equal((1, ""), (run.ExitCode, run.Out));
        Assert.Matches("cannot be written: .*No space left", Assert.Single(run.Errors));
        Assert.Equal("of before", File.ReadAllText(results));
        Assert.Equal(2, disk.Content.Length);
        File.Delete(filler);
        Assert.Equal(0, CommandRun.Of(args).ExitCode);
        Assert.StartsWith("{", File.ReadAllText(results));
    }

    private string Sla()
    {
        using var scope = torch.NewDisposeScope();
        string folder = models.NewFolder(), data = Path.Combine(folder, "data"), file = Path.Combine(folder, "sla.json");
        var random = new PhiloxNoise(3);
        LatentFolder.Add(data, "0", random.Normal(16, 2, 8, 8), random.Normal(3, 64));
        LatentFolder.SetNegative(data, torch.zeros(3, 64));
        SlaConfig config = new()
        {
            Output = Path.Combine(folder, "run"), Data = data, QueryBlock = 16, KeyBlock = 16,
            Teacher = models.Transformer(AttentionKind.Dense, WeightFormat.Float),
        };
        File.WriteAllText(file, (config with { Training = config.Training with { Iterations = 1 } }).ToJson().ReplaceLineEndings("\r\n"));
        return file;
    }
}
