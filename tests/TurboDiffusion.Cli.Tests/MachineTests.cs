using System.Globalization;
using TurboDiffusion.Generation.Models;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

/// <summary>Machines that are not set up as ours: a video is made, or one line says what is wrong.</summary>
public class MachineTests(Models models)
{
    [Theory]
    [InlineData("TMPDIR", "/nowhere/at/all")]
    [InlineData("TMPDIR", "/proc")]
    [InlineData("TMPDIR", "long")]
    [InlineData("HOME", null)]
    [InlineData("HOME", "/proc/none")]
    [InlineData("XDG_CACHE_HOME", "/proc/none")]
    [InlineData("LANG", "tr_TR.UTF-8")]
    [InlineData("LC_ALL", "de_DE.UTF-8")]
    public async Task A_video_is_made(string variable, string? value)
    {
        string folder = models.NewFolder(), path = Path.Combine(folder, "v.mp4");
        if (value == "long") value = Directory.CreateDirectory(Path.Combine(folder, new string('d', 120))).FullName;
        using var process = CommandRun.Start(new Dictionary<string, string?> { [variable] = value }, AppContext.BaseDirectory,
            models.Generate(path, "--quiet"));
        CommandRun run = await CommandRun.EndOf(process);
        Assert.Equal((0, path + "\n", ""), (run.ExitCode, run.Out, run.Error));
    }

    [Fact]
    public async Task The_doctor_says_that_the_folder_for_temporary_files_is_missing()
    {
        using var process = CommandRun.Start(new Dictionary<string, string?> { ["TMPDIR"] = "/nowhere" },
            AppContext.BaseDirectory, "doctor");
        CommandRun run = await CommandRun.EndOf(process);
        Assert.Matches("note +temporary files +/nowhere/? does not exist", run.Out);
    }

    [Fact]
    public async Task Work_that_needs_the_folder_for_temporary_files_says_that_it_is_missing()
    {
        using var process = CommandRun.Start(new Dictionary<string, string?> { ["TMPDIR"] = "/nowhere" }, AppContext.BaseDirectory,
            "bench", "--end-to-end", "--model", models.Folder, "--device", "cpu");
        CommandRun run = await CommandRun.EndOf(process);
        Assert.Equal(1, run.ExitCode);
        Assert.Matches("temporary files, /nowhere/, .* does not exist.* TMPDIR", Assert.Single(run.Errors));
        Assert.False(Directory.Exists("/nowhere"));
    }

    [Fact]
    public async Task A_library_that_cannot_be_written_is_one_line()
    {
        using var process = CommandRun.Start(new Dictionary<string, string?> { [ModelLibrary.FolderVariable] = "/proc/none" },
            AppContext.BaseDirectory, "models");
        Assert.Equal(0, (await CommandRun.EndOf(process)).ExitCode);
    }

    // The decimal comma, another minus and other digits' groups, as a program that uses the library may have set them.
    [Fact]
    public void The_language_of_the_thread_changes_nothing()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        try
        {
            var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
            (culture.NumberFormat.NumberDecimalSeparator, culture.NumberFormat.NegativeSign, culture.NumberFormat.NumberGroupSeparator) =
                (",", "−", ".");
            CultureInfo.CurrentCulture = culture;
            string path = Path.Combine(models.NewFolder(), "v.mp4");
            CommandRun run = CommandRun.Of(models.Generate(path, "--topk", "0.5", "--sigma-max", "80.5", "--json"));
            Assert.True(run.ExitCode == 0, run.Error);
            Assert.True(System.Text.Json.Nodes.JsonNode.Parse(run.Out)!["seconds"]!.GetValue<double>() > 0);
            Assert.Equal(0, CommandRun.Of("inspect", models.Files.Transformer, "--json").ExitCode);
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Theory]
    [InlineData("--seed", "-2", "from 0 to 18446744073709551615, or -1")]
    [InlineData("--seed", "18446744073709551616", "from 0 to 18446744073709551615, or -1")]
    [InlineData("--seed", "1.5", "from 0 to 18446744073709551615, or -1")]
    public void A_seed_out_of_range_is_told_with_the_range(string option, string value, string expected) =>
        Assert.Contains(expected, Assert.Single(CommandRun.Of("generate", "x", option, value).Errors));

    [Fact]
    public void Seeds_do_not_wrap_and_minus_one_is_a_new_one()
    {
        string path = Path.Combine(models.NewFolder(), "v.mp4");
        Assert.Contains("would go beyond", Assert.Single(CommandRun.Of(
            "generate", "x", "--model", models.Folder, "--seed", "18446744073709551615", "--count", "2", "-o", path).Errors));
        string[] command = ["generate", "a red circle", "--model", models.Folder, "--device", "cpu", "--size", "32x32", "--frames", "5",
            "--steps", "1", "--seed", "-1", "--json", "--overwrite", "-o", path];
        ulong[] seeds = [.. Enumerable.Range(0, 2)
            .Select(_ => System.Text.Json.Nodes.JsonNode.Parse(CommandRun.Of(command).Out)!["videos"]![0]!["seed"]!.GetValue<ulong>())];
        Assert.NotEqual(seeds[0], seeds[1]);
    }

    [Fact]
    public void A_prompt_that_is_cut_says_so()
    {
        string path = Path.Combine(models.NewFolder(), "v.mp4");
        string[] rest = models.Generate(path, "--quiet")[2..];
        CommandRun cut = CommandRun.Of(["generate", string.Join(' ', Enumerable.Repeat("a red circle", 400)), .. rest]);
        Assert.Equal(0, cut.ExitCode);
        Assert.Matches("note: The prompt has [0-9]+ tokens, and the model reads 511", cut.Error);
        Assert.Equal("", CommandRun.Of(["generate", "a red circle", .. rest, "--overwrite"]).Error);
    }

    [Fact]
    public void A_speed_of_fractions_is_written()
    {
        string path = Path.Combine(models.NewFolder(), "v.mp4");
        CommandRun run = CommandRun.Of(models.Generate(path, "--fps", "23.976", "--json"));
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Equal(23.976, System.Text.Json.Nodes.JsonNode.Parse(run.Out)!["videos"]![0]!["framesPerSecond"]!.GetValue<double>());
        using var probe = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("ffprobe",
            ["-v", "error", "-select_streams", "v", "-show_entries", "stream=avg_frame_rate", "-of", "csv=p=0", path])
        {
            RedirectStandardOutput = true,
        })!;
        double[] rate = [.. probe.StandardOutput.ReadToEnd().Trim().Split('/').Select(n => double.Parse(n, CultureInfo.InvariantCulture))];
        Assert.InRange(rate[0] / rate[1], 23.97, 23.98);
    }

    [Fact]
    public void A_models_folder_is_inspected_as_its_checkpoints()
    {
        CommandRun run = CommandRun.Of("inspect", models.Folder);
        Assert.Equal(0, run.ExitCode);
        foreach (string part in new[] { "transformer", "VAE", "text encoder" }) Assert.Contains(part, run.Out);
    }

    [Fact]
    public void A_model_of_sparse_linear_attention_is_not_converted_to_names_that_have_no_place_for_it()
    {
        CommandRun run = CommandRun.Of("convert", models.Files.Transformer, Path.Combine(models.NewFolder(), "x.safetensors"), "--layout",
            "diffusers");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("Leave --layout out", Assert.Single(run.Errors));
    }

    // .NET itself cannot start under a small limit unless it may write and execute one mapping.
    [Theory]
    [InlineData("v.gif", "generate")]
    [InlineData("frames/", "generate")]
    [InlineData("t.safetensors", "new")]
    [InlineData("q.json", "evaluate")]
    [InlineData("b.json", "bench")]
    public async Task A_limit_of_the_shell_on_files_is_told_and_leaves_nothing(string name, string command)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "ulimit");
        string folder = models.NewFolder(), path = Path.Combine(folder, name),
            program = Path.Combine(AppContext.BaseDirectory, "TurboDiffusion.Cli");
        string arguments = command switch
        {
            "new" => $"new small '{path}' --part transformer",
            "evaluate" => $"evaluate --plan '{EvaluateTests.Plan(models, models.NewFolder())}' -o '{path}'",
            "bench" => $"bench --device cpu --patience 0 --attention dense --json '{path}'",
            _ => $"generate x --model '{models.Folder}' --size 64x64 --frames 5 --steps 1 --quiet -o '{path}'",
        };
        var start = new System.Diagnostics.ProcessStartInfo("bash",
            ["-c", $"ulimit -f 1; exec '{program}' {arguments}"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        using var process = System.Diagnostics.Process.Start(start)!;
        CommandRun run = await CommandRun.EndOf(process);
        Assert.Equal(1, run.ExitCode);
        Assert.Matches("could not be written|could not write|cannot be written", Assert.Single(run.Errors));
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }
}
