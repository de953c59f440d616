using System.Text.Json.Nodes;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class BenchTests(Models models)
{
    [Fact]
    public void The_small_model_is_measured_on_the_cpu()
    {
        string folder = models.NewFolder(), json = Path.Combine(folder, "bench.json"), table = Path.Combine(folder, "bench.md");
        CommandRun run = CommandRun.Of("bench", "--device", "cpu", "--patience", "0", "--attention", "dense", "--json", json,
            "--table", table);
        Assert.Equal(0, run.ExitCode);
        // Each variant when it begins, and what came of it.
        Assert.Matches(@"^dense, float weights, plain\s+[0-9.]+ ms, median of 1; .*\s+dense, int8 weights, plain\s+[0-9.]+ ms", run.Error);
        Assert.StartsWith("small-random, 64x64, 5 frames (32 tokens)", run.Out);
        Assert.Matches(@"\| dense, int8 weights, plain \| [0-9.]+ \| [0-9.]+ \| 1 \|", run.Out);
        Assert.Equal(run.Out, File.ReadAllText(table));
        Assert.Equal(2, JsonNode.Parse(File.ReadAllText(json))!["rows"]!.AsArray().Count);
        Assert.Equal(2, Directory.GetFiles(folder).Length);
    }

    [Fact]
    public void A_model_with_a_LoRA_merged_is_measured()
    {
        CommandRun run = CommandRun.Of("bench", "--device", "cpu", "--patience", "0", "--attention", "dense", "--lora", "4");
        Assert.Equal(0, run.ExitCode);
        Assert.StartsWith("small-random with a LoRA of rank 4 merged, 64x64, 5 frames (32 tokens)", run.Out);
        Assert.Matches(@"\| dense, int8 weights, plain \| [0-9.]+ \| [0-9.]+ \| 1 \|", run.Out);
    }

    [Fact]
    public void Whole_generations_are_measured_stage_by_stage_with_and_without_a_writer()
    {
        string folder = models.NewFolder(), json = Path.Combine(folder, "end.json");
        CommandRun run = CommandRun.Of("bench", "--end-to-end", "--model", models.Folder, "--device", "cpu", "--size", "32x32", "--frames",
            "5", "--repeats", "1", "--text-encoder-weights", "int8", "--json", json);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("int8 text encoder", run.Out);
        Assert.Equal(6, run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        foreach (string row in new[] { "loading", "text", "denoising", "decoding", "prompt to the last frame in host memory",
            "prompt to frames/", "prompt to video.mp4", "a process of its own, from start to video.mp4",
            "encoding a video of these frames" })
            Assert.Matches($@"\| {row} \| [0-9.]* \| [0-9.]+ \|", run.Out);
        JsonNode result = JsonNode.Parse(File.ReadAllText(json))!;
        JsonNode first = result["first"]!["stages"]!;
        Assert.True((double)first["loading"]! > 0 && (double)first["denoising"]! > 0);
        // The text was encoded every time: another prompt each.
        Assert.All(result["warm"]!.AsArray(), r => Assert.True((double)r!["stages"]!["encodingText"]! > 0));
        Assert.Equal(["frames/", "host memory", "video.mp4"],
            result["warm"]!.AsArray().Select(r => (string)r!["writer"]!).Order());
        Assert.Equal(["end.json"], Directory.GetFiles(folder).Select(Path.GetFileName));
        Assert.Contains("--model", CommandRun.Of("bench", "--end-to-end", "--preset", "wan2.1-t2v-14b").Error);
    }

    [Theory]
    [InlineData("8", "--frames", "8")]
    [InlineData("'large'", "--preset", "large")]
    [InlineData("small-random", "--preset", "wan2.1-t2v-14b")]
    [InlineData("832x481", "--size", "832x481x2")]
    [InlineData("481", "--size", "832x481")]
    [InlineData("baseline", "--baseline")]
    [InlineData("rank is 0", "--lora", "0")]
    [InlineData("No variant", "--kernels", "all")]
    [InlineData("cannot be written", "--json", "/dev/null/bench.json")]
    public void What_cannot_be_measured_is_one_line(string says, params string[] options)
    {
        CommandRun run = CommandRun.Of(["bench", "--device", "cpu", "--patience", "0", .. options]);
        Assert.Equal((1, ""), (run.ExitCode, run.Out));
        Assert.Contains(says, Assert.Single(run.Errors));
    }
}
