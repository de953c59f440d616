using Xunit;

namespace TurboDiffusion.Cli.Tests;

/// <summary>How libtorch's threads wait, as its OpenMP library itself says when it is loaded.</summary>
public class WaitPolicyTests(Models models)
{
    [Theory]
    [InlineData(null, null, "PASSIVE", "1000")]
    [InlineData("OMP_WAIT_POLICY", "active", "ACTIVE", "30000000000")]
    [InlineData("OMP_WAIT_POLICY", "passive", "PASSIVE", "0")]
    public async Task Threads_sleep_unless_the_user_says_otherwise(string? variable, string? value, string expected, string spins)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "libgomp");
        var environment = new Dictionary<string, string?>
        {
            ["OMP_DISPLAY_ENV"] = "verbose", ["OMP_WAIT_POLICY"] = null, ["GOMP_SPINCOUNT"] = null,
        };
        if (variable is not null) environment[variable] = value;
        using var process = CommandRun.Start(environment, AppContext.BaseDirectory,
            models.Generate(Path.Combine(models.NewFolder(), "v.mp4"), "--quiet"));
        CommandRun run = await CommandRun.EndOf(process);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains($"OMP_WAIT_POLICY = '{expected}'", run.Error);
        Assert.Contains($"GOMP_SPINCOUNT = '{spins}'", run.Error);
    }

    [Fact]
    public async Task A_count_of_spins_of_the_user_stays()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "libgomp");
        var environment = new Dictionary<string, string?>
        {
            ["OMP_DISPLAY_ENV"] = "verbose", ["OMP_WAIT_POLICY"] = null, ["GOMP_SPINCOUNT"] = "1234",
        };
        using var process = CommandRun.Start(environment, AppContext.BaseDirectory,
            models.Generate(Path.Combine(models.NewFolder(), "v.mp4"), "--quiet"));
        CommandRun run = await CommandRun.EndOf(process);
        Assert.Contains("GOMP_SPINCOUNT = '1234'", run.Error);
        Assert.DoesNotContain("OMP_WAIT_POLICY = 'ACTIVE'", run.Error);
    }
}
