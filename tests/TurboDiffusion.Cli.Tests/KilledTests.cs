using System.Diagnostics;
using System.Text.Json.Nodes;
using TurboDiffusion.Training.Configuration;
using TurboDiffusion.Training.Data;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

/// <summary>What is left of a program that is ended while it writes: nothing, or nothing after the next one.</summary>
public class KilledTests(Models models)
{
    private const string Partial = ".turbodiffusion-*.partial";

    private static readonly string[] LongVideo = ["--device", "cpu", "--size", "192x128", "--frames", "81", "--steps", "1"];

    [Theory]
    [InlineData("-HUP")]
    [InlineData("-TERM")]
    [InlineData("-INT")]
    public async Task A_signal_leaves_nothing(string signal)
    {
        string folder = models.NewFolder();
        CommandRun run = await EndedWhileWriting(folder, signal,
            ["generate", "a red circle", "--model", models.Folder, .. LongVideo, "-o", Path.Combine(folder, "video.mp4")]);
        Assert.Equal((130, ""), (run.ExitCode, run.Out));
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Fact]
    public async Task A_hang_up_that_is_to_be_survived_ends_nothing()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "nohup");
        string folder = models.NewFolder(), path = Path.Combine(folder, "video.mp4");
        using Process process = Process.Start(new ProcessStartInfo("nohup",
            [Path.Combine(AppContext.BaseDirectory, "TurboDiffusion.Cli"), .. models.Generate(path, "--quiet")]) { RedirectStandardOutput =
                true, RedirectStandardError = true })!;
        // Until then it is nohup itself, which may not have said yet that it ignores the signal.
        string name = $"/proc/{process.Id}/comm";
        while (!process.HasExited && File.ReadAllText(name).Trim() == "nohup") await Task.Delay(10);
        await Task.Delay(500);
        await Send("-HUP", process);
        Assert.Equal(0, (await CommandRun.EndOf(process)).ExitCode);
        Assert.True(File.Exists(path));
    }

    [Theory]
    [InlineData("video.mp4")]
    [InlineData("video.webm")]
    [InlineData("video.gif")]
    [InlineData("frames/")]
    public async Task A_killed_generation_is_removed_by_the_next(string name)
    {
        string folder = models.NewFolder();
        // The check before the work makes one too, for a moment.
        string? seen = null;
        bool Stays()
        {
            string? before = seen;
            seen = Directory.GetFileSystemEntries(folder, Partial).FirstOrDefault();
            Thread.Sleep(50);
            return seen is not null && seen == before;
        }

        await EndedWhileWriting(folder, "-KILL", Stays,
            ["generate", "a red circle", "--model", models.Folder, .. LongVideo, "-o", Path.Combine(folder, name)]);
        Assert.NotEmpty(Directory.GetFileSystemEntries(folder, Partial));
        Assert.Equal(0, CommandRun.Of(models.Generate(Path.Combine(folder, "next.mp4"))).ExitCode);
        Assert.Equal(["next.mp4"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_killed_checkpoint_is_removed_by_the_next_and_the_old_one_stays()
    {
        string folder = models.NewFolder(), path = Path.Combine(folder, "model.safetensors");
        File.Copy(models.Files.Transformer, path);
        await EndedWhileWriting(folder, "-KILL", "new", "small", path, "--part", "transformer", "--dim", "2048", "--layers", "20",
            "--overwrite");
        Assert.NotEmpty(Directory.GetFileSystemEntries(folder, Partial));
        Assert.Equal(File.ReadAllBytes(models.Files.Transformer), File.ReadAllBytes(path));
        Assert.Equal(0, CommandRun.Of("convert", models.Files.Vae, Path.Combine(folder, "vae.safetensors")).ExitCode);
        Assert.Equal(["model.safetensors", "vae.safetensors"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task A_training_that_is_killed_while_it_saves_goes_on_from_the_state_before()
    {
        string folder = models.NewFolder(), run = Path.Combine(folder, "run"), config = Path.Combine(folder, "vae.json");
        JsonNode settings = JsonNode.Parse(new VaeTrainingConfig
        {
            Output = run, Width = 8, World = new WorldOptions { Clips = 2, Width = 64, Height = 64, Frames = 5 }, Frames = 1, Height = 16,
                CropWidth = 16,
        }.ToJson())!;
        settings["training"]!["iterations"] = 100_000;
        settings["training"]!["saveEvery"] = 1;
        await File.WriteAllTextAsync(config, settings.ToJsonString());
        await EndedWhileWriting(run, "-KILL", () => File.Exists(Path.Combine(run, "state.safetensors")), "train", "vae",
            "--config", config);
        File.WriteAllText(Path.Combine(run, ".turbodiffusion-0.partial"), "of one that was killed");
        settings["training"]!["iterations"] = 1;
        await File.WriteAllTextAsync(config, settings.ToJsonString());
        CommandRun next = CommandRun.Of("train", "vae", "--config", config);
        Assert.True(next.ExitCode == 0, next.Error);
        Assert.Empty(Directory.GetFileSystemEntries(run, Partial));
        Assert.True(File.Exists(Path.Combine(run, "model.safetensors")));
    }

    private static Task<CommandRun> EndedWhileWriting(string folder, string signal, params string[] args) =>
        EndedWhileWriting(folder, signal, () => true, args);

    private static async Task<CommandRun> EndedWhileWriting(string folder, string signal, Func<bool> ready, params string[] args)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Sends a POSIX signal.");
        using Process process = CommandRun.Start(new Dictionary<string, string?>(), AppContext.BaseDirectory, args);
        Task<CommandRun> end = CommandRun.EndOf(process);
        while (!process.HasExited && !(Directory.Exists(folder) && ready() && Directory.GetFileSystemEntries(folder, Partial).Length > 0))
            await Task.Delay(2);
        Assert.False(process.HasExited, process.HasExited ? (await end).Error : "");
        await Send(signal, process);
        return await end;
    }

    private static async Task Send(string signal, Process process)
    {
        using Process kill = Process.Start("kill", [signal, $"{process.Id}"]);
        await kill.WaitForExitAsync();
    }
}
