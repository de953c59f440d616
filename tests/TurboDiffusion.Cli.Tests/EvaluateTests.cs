using System.Text.Json;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class EvaluateTests(Models models)
{
    [Fact]
    public void A_plan_becomes_a_table_numbers_sheets_and_failures()
    {
        string folder = models.NewFolder(), plan = Plan(models, folder), json = Path.Combine(folder, "q.json"),
            table = Path.Combine(folder, "q.md");
        string sheet = Path.Combine(folder, "sheet.png"), failures = Path.Combine(folder, "failures");

        CommandRun run = CommandRun.Of("evaluate", "--plan", plan, "-o", json, "--table", table, "--sheet", sheet,
            "--keep-failures", failures);

        Assert.Equal((0, ""), (run.ExitCode, string.Concat(run.Errors)));
        Assert.Contains("row 3 of 3, turbo, clips, 2 of 2 clips", run.Error);
        Assert.Equal(File.ReadAllText(table), run.Out);
        Assert.Matches(@"\| real clips \| .*\n\| real clips through the VAE \| .*\n\| turbo \| 0\.0 \| ", run.Out);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(json));
        Assert.Equal(3, document.RootElement.GetProperty("rows").GetArrayLength());
        Assert.True(IsPng(sheet));
        Assert.All(Directory.GetFiles(Path.Combine(failures, "turbo")), file => Assert.True(IsPng(file)));
        Assert.Equal(2, Directory.GetFiles(Path.Combine(failures, "turbo")).Length);
        Assert.Empty(Directory.GetFiles(folder, "*.partial"));
    }

    [Fact]
    public void A_moving_sheet_is_a_video_or_a_folder_of_frames()
    {
        string folder = models.NewFolder(), sheet = Path.Combine(folder, "sheet") + "/";
        CommandRun run = CommandRun.Of("evaluate", "--plan", Plan(models, folder), "--latency-runs", "0", "--sheet", sheet,
            "--sheet-clips", "1");
        Assert.Equal((0, ""), (run.ExitCode, string.Concat(run.Errors)));
        Assert.Equal(9, Directory.GetFiles(sheet, "frame_*.png").Length);
    }

    [Fact]
    public void Mistakes_are_told_before_the_work()
    {
        string folder = models.NewFolder(), plan = Plan(models, folder);
        Assert.Contains("no variant 'teacher'; it has turbo",
            Assert.Single(CommandRun.Of("evaluate", "--plan", plan, "--only", "teacher").Errors));
        Assert.Contains("--steps describes one variant", Assert.Single(CommandRun.Of("evaluate", "--plan", plan, "--steps", "3").Errors));
        Assert.Contains("no variant 'a' for the sheet", Assert.Single(CommandRun.Of("evaluate", "--plan", plan, "--sheet-of", "a").Errors));
        Assert.Contains("cannot be written",
            Assert.Single(CommandRun.Of("evaluate", "--plan", plan, "-o", Path.Combine(plan, "q.json")).Errors));
        Assert.Contains("cannot be read", Assert.Single(CommandRun.Of("evaluate", "--plan", Path.Combine(folder, "none.json")).Errors));
    }

    [Fact]
    public void Cancelling_keeps_the_rows_that_are_done()
    {
        string folder = models.NewFolder(), table = Path.Combine(folder, "q.md");
        using var cancellation = new CancellationTokenSource();
        using var error = new CancellingWriter("turbo, clips", cancellation);
        int code = CommandLine.Run(["evaluate", "--plan", Plan(models, folder), "--table", table],
            new Terminal(TextWriter.Null, error, null, 100, cancellation.Token));
        Assert.Equal(130, code);
        Assert.Equal(4, File.ReadAllLines(table).Length);
    }

    private static bool IsPng(string file) => File.ReadAllBytes(file).AsSpan(0, 4)
        .SequenceEqual((byte[])[0x89, (byte)'P', (byte)'N', (byte)'G']);

    internal static string Plan(Models models, string folder)
    {
        string path = Path.Combine(folder, "plan.json");
        File.WriteAllText(path, $$"""
            {
              "model": {{JsonSerializer.Serialize(models.Folder)}}, "device": "cpu",
              "prompts": 1, "twoObjectPrompts": 1, "referenceClips": 4,
              "width": 64, "height": 48, "frames": 9, "latencyRuns": 1,
              "variants": [{ "label": "turbo", "steps": 1 }]
            }
            """.ReplaceLineEndings("\r\n"));
        return path;
    }
}
