using System.Diagnostics;
using System.Text.Json.Nodes;
using TorchSharp;
using TurboDiffusion.Cli.Output;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class EnvironmentTests(Models models)
{
    [Fact]
    public void Doctor_finds_what_this_machine_has()
    {
        CommandRun run = CommandRun.Of("doctor", "--json");
        JsonArray findings = JsonNode.Parse(run.Out)!.AsArray();
        Assert.Equal(0, run.ExitCode);
        foreach (string subject in new[] { "system", ".NET", "libtorch", "GPU", "memory", "ffmpeg", "models", "temporary files" })
            Assert.Single(findings, f => (string)f!["subject"]! == subject);
        Assert.Matches(@"2\.\d+.*computes", (string)findings.Single(f => (string)f!["subject"]! == "libtorch")!["found"]!);
    }

    // Nothing set is on: what the machine has decides, and the reason is told.
    [Theory]
    [InlineData(null, 0, "ok +kernels +every operator: Plain: no NVIDIA GPU and driver answer")]
    [InlineData("off", 0, @"ok +kernels +every operator: Plain: the kernels are switched off \(TURBODIFFUSION_KERNELS\)")]
    [InlineData("yes", 1, @"MISSING +kernels +not known\s+-> TURBODIFFUSION_KERNELS is 'yes'; set it to on or off, or unset it\.")]
    public async Task Doctor_tells_what_the_switch_of_the_kernels_does(string? value, int exitCode, string says)
    {
        Assert.SkipWhen(value is null && torch.cuda.is_available(), "There is a GPU.");
        using var process = CommandRun.Start(new Dictionary<string, string?> { ["TURBODIFFUSION_KERNELS"] = value },
            AppContext.BaseDirectory, "doctor");
        CommandRun run = await CommandRun.EndOf(process);
        Assert.Equal((exitCode, ""), (run.ExitCode, run.Error));
        Assert.Matches(says, run.Out);
    }

    [Fact]
    public async Task Doctor_survives_a_libtorch_that_does_not_load_and_names_everything_that_is_missing()
    {
        using var process = CommandRun.Start(new Dictionary<string, string?>
        {
            ["TURBODIFFUSION_LIBTORCH"] = "/nowhere",
            ["TURBODIFFUSION_FFMPEG"] = "/nowhere",
            ["TURBODIFFUSION_MODELS"] = "/proc/models",
        }, AppContext.BaseDirectory, "doctor");
        CommandRun run = await CommandRun.EndOf(process);
        Assert.Equal((1, ""), (run.ExitCode, run.Error));
        Assert.Matches("MISSING +libtorch .*libc10.so", run.Out);
        Assert.Matches("MISSING +ffmpeg", run.Out);
        Assert.Matches("MISSING +models +/proc/models", run.Out);
        Assert.Contains("apt-get install ffmpeg", run.Out);
    }

    [Fact]
    public async Task Doctor_survives_a_program_without_its_libtorch()
    {
        string folder = models.NewFolder();
        // By another process: a program that is open for writing here while a test beside starts one cannot be started.
        using (Process copy = Process.Start("cp", ["-L", .. Directory.GetFiles(AppContext.BaseDirectory), folder]))
        {
            await copy.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(0, copy.ExitCode);
        }
        // Without the package cache, from which TorchSharp would help itself.
        var environment = new Dictionary<string, string?> { ["NUGET_PACKAGES"] = "/nowhere" };
        using var doctor = CommandRun.Start(environment, folder, "doctor");
        CommandRun run = await CommandRun.EndOf(doctor);
        Assert.Equal((1, ""), (run.ExitCode, run.Error));
        Assert.Matches("MISSING +libtorch +of the packages: .*no libtorch", run.Out);
        Assert.Matches("ok +ffmpeg", run.Out);
        using var inspect = CommandRun.Start(environment, folder, "inspect", models.Files.Vae);
        CommandRun failed = await CommandRun.EndOf(inspect);
        Assert.Equal((1, ""), (failed.ExitCode, failed.Out));
        Assert.StartsWith("error: libtorch does not load", Assert.Single(failed.Error.Trim().Split('\n')));
    }

    [Fact]
    public async Task A_libtorch_that_does_not_load_is_one_line_where_it_is_needed_and_nothing_where_it_is_not()
    {
        var environment = new Dictionary<string, string?> { ["TURBODIFFUSION_LIBTORCH"] = "/nowhere" };
        using var inspect = CommandRun.Start(environment, AppContext.BaseDirectory, "inspect", models.Files.Vae);
        CommandRun failed = await CommandRun.EndOf(inspect);
        Assert.Equal(1, failed.ExitCode);
        Assert.Contains("libc10.so", Assert.Single(failed.Error.Trim().Split('\n')));
        using var list = CommandRun.Start(environment, AppContext.BaseDirectory, "models");
        Assert.Equal(0, (await CommandRun.EndOf(list)).ExitCode);
    }

    [Fact]
    public void Models_lists_the_library_with_what_is_wrong()
    {
        CommandRun run = CommandRun.Of("models");
        Assert.Equal(0, run.ExitCode);
        Assert.Matches(@"small-random +custom sla, .*random weights", run.Out);
        Assert.Matches(@"shapes +custom [a-z-]+, ", run.Out);
    }

    [Fact]
    public void Help_of_the_program_lists_every_command_and_nothing_hidden()
    {
        CommandRun run = CommandRun.Of("--help");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Contains("Usage: turbodiffusion COMMAND [options]", run.Out);
        foreach (string command in HelpTests.Commands) Assert.Matches($"(?m)^  {command} ", run.Out);
        Assert.DoesNotContain("--native-probe", run.Out + CommandRun.Of("doctor", "--help").Out);
    }

    [Theory]
    [InlineData(0, "0 bytes")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(5L << 30, "5 GiB")]
    public void Bytes_are_written_for_people(long bytes, string expected) => Assert.Equal(expected, Format.Bytes(bytes));

    [Fact]
    public void Times_are_written_for_people()
    {
        Assert.Equal("0:07", Format.Clock(TimeSpan.FromSeconds(7.4)));
        Assert.Equal("1:02:03", Format.Clock(new TimeSpan(1, 2, 3)));
        Assert.Equal("25:00:00", Format.Clock(TimeSpan.FromHours(25)));
    }
}
