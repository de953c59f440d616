using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

/// <summary>Full-size models. They take minutes and gigabytes, so they run only when asked for.</summary>
public class LargeModelTests(Models models, ITestOutputHelper output)
{
    private const string Variable = "TURBODIFFUSION_LARGE_TESTS";
    private const long MostMemory = 16L << 30;

    [Fact]
    [Trait("Category", "Large")]
    public async Task A_full_size_1_3B_checkpoint_takes_a_denoising_step_within_16_GiB_on_the_CPU()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable(Variable) == "1",
            $"Writes 5 GB and takes minutes: set {Variable}=1 to run it.");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Reads the peak memory of a process from /proc.");
        string folder = models.NewFolder(), transformer = Path.Combine(folder, "transformer.safetensors"),
            rest = Path.Combine(folder, "rest");
        try
        {
            long start = Stopwatch.GetTimestamp();
            CommandRun made = CommandRun.Of("new", "Wan2.1-T2V-1.3B", transformer, "--dtype", "bfloat16");
            Assert.Equal(0, made.ExitCode);
            Assert.Contains("Wan2.1-T2V-1.3B transformer, sla", made.Out);
            output.WriteLine($"made: {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s, {new FileInfo(transformer).Length} bytes");
            // The text encoder and the VAE of a small model, at the text width that the transformer needs.
            Assert.Equal(0, CommandRun.Of("new", "small", rest, "--text-dim", "4096").ExitCode);

            start = Stopwatch.GetTimestamp();
            using Process process = CommandRun.Start(new Dictionary<string, string?>(), AppContext.BaseDirectory, "generate", "a cat",
                "--model", rest, "--transformer", transformer,
                "--device", "cpu", "--size", "128x80", "--frames", "1", "--steps", "1", "-o", Path.Combine(folder, "video.mp4"));
            Task<CommandRun> end = CommandRun.EndOf(process, TimeSpan.FromMinutes(20));
            long peak = 0;
            while (await Task.WhenAny(end, Task.Delay(50)) != end) peak = Math.Max(peak, PeakMemory(process.Id));
            CommandRun run = await end;
            output.WriteLine($"generated: {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s, peak {peak / (double)(1 << 30):0.00} GiB");
            output.WriteLine(run.Out);
            Assert.Equal((0, ""), (run.ExitCode, string.Concat(run.Errors)));
            Assert.Contains("(Wan2.1-T2V-1.3B, sla;", run.Out);
            Assert.InRange(peak, 1L << 30, MostMemory);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // The kernel's own peak; 0 once the process has ended.
    private static long PeakMemory(int process)
    {
        try
        {
            string? line = File.ReadAllLines($"/proc/{process}/status")
                .FirstOrDefault(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
            return line is null ? 0 : 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
                CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
