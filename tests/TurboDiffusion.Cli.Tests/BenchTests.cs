using System.Text.Json.Nodes;
using TorchSharp;
using TurboDiffusion.Cli.Plots;
using TurboDiffusion.Evaluation.Benchmark;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
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
    public void An_earlier_runs_tables_and_chart_are_made_from_its_json()
    {
        string folder = models.NewFolder(), json = Path.Combine(folder, "bench.json"), chart = Path.Combine(folder, "bench.png");
        CommandRun run = CommandRun.Of("bench", "--device", "cpu", "--patience", "0", "--attention", "dense", "--json", json,
            "--chart", chart);
        Assert.Equal(0, run.ExitCode);
        byte[] picture = File.ReadAllBytes(chart);
        File.Delete(chart);
        CommandRun again = CommandRun.Of("bench", "--from", json, "--chart", chart);
        Assert.Equal((0, run.Out, ""), (again.ExitCode, again.Out, again.Error));
        Assert.Equal(picture, File.ReadAllBytes(chart));

        string none = Path.Combine(folder, "none.png");
        CommandRun without = CommandRun.Of("bench", "--device", "cpu", "--patience", "0", "--attention", "sla", "--chart", none);
        Assert.Equal(0, without.ExitCode);
        Assert.Contains($"warning: {none} is not drawn: dense attention", without.Error);
        Assert.Equal(["bench.json", "bench.png"], Directory.GetFiles(folder).Select(Path.GetFileName).Order());

        File.WriteAllText(json, "{}");
        foreach (string file in new[] { json, Path.Combine(folder, "missing.json") })
        {
            CommandRun wrong = CommandRun.Of("bench", "--from", file);
            Assert.Equal((1, ""), (wrong.ExitCode, wrong.Out));
            Assert.Contains($"{file} is not the JSON file of an earlier run of bench: ", Assert.Single(wrong.Errors));
        }
    }

    // The bar of 100 calls is longer than that of 4 by the logarithm of 25: all bars are equally high.
    [Fact]
    public void A_charts_bars_are_as_long_as_the_logarithms_of_their_seconds()
    {
        string chart = Path.Combine(models.NewFolder(), "bench.png");
        BenchmarkRow Row(AttentionKind attention, WeightFormat weights, KernelUse kernels, double ms)
        {
            var variant = new BenchmarkVariant(attention, weights, kernels);
            return new BenchmarkRow { Label = variant.Label, Variant = variant, StepMilliseconds = ms };
        }

        var result = new BenchmarkResult
        {
            Preset = "a model", Sampling = ModelSpec.T2V1_3B.Sampling, Size = "832x480", Frames = 81, Tokens = 32760, Device = "a GPU",
            TopK = 0.1, Version = "1",
            Rows =
            [
                Row(AttentionKind.Dense, WeightFormat.Float, KernelUse.None, 640),
                Row(AttentionKind.SageSla, WeightFormat.Float, KernelUse.Products, 160),
                Row(AttentionKind.SageSla, WeightFormat.Int8, KernelUse.Products, 80),
            ],
        };
        Assert.True(DecompositionChart.Draw(result, chart));
        using torch.Tensor image = ImageReader.Read(chart);
        Assert.Equal([3, 390, 1100], image.shape);
        // Seconds 64, 2.56, 0.64 and 0.32 from 0.16 on; the first four colours of the palette.
        double[] pixels = [Pixels.Count(image, 31, 119, 180), Pixels.Count(image, 255, 127, 14), Pixels.Count(image, 44, 160, 44),
            Pixels.Count(image, 214, 39, 40)];
        double unit = pixels.Sum() / (Math.Log(400) + Math.Log(16) + Math.Log(4) + Math.Log(2));
        Assert.All(pixels.Zip([400, 16, 4, 2]), p => Assert.Equal(Math.Log(p.Second), p.First / unit, 0.15));
        Assert.False(DecompositionChart.Draw(result with { Rows = result.Rows.Skip(1).ToArray() }, chart));
    }

    [Fact]
    public void A_model_with_a_LoRA_merged_is_measured()
    {
        CommandRun run = CommandRun.Of("bench", "--device", "cpu", "--patience", "0", "--attention", "dense", "--lora", "4");
        Assert.Equal(0, run.ExitCode);
        Assert.StartsWith("small-random with a LoRA of rank 4 merged, 64x64, 5 frames (32 tokens)", run.Out);
        Assert.Matches(@"\| dense, int8 weights, plain \| [0-9.]+ \| [0-9.]+ \| 1 \|", run.Out);
    }

    // Of two models of the same dimensions, each has its own errors, and has them again.
    [Fact]
    public void A_model_of_files_is_compared_with_its_own_weights()
    {
        string other = models.NewFolder();
        Assert.Equal(0, CommandRun.Of("new", "small", other, "--seed", "7", "--overwrite").ExitCode);
        string[] tables = [.. new[] { models.Folder, other, models.Folder }.Select(folder =>
        {
            CommandRun run = CommandRun.Of("bench", "--model", folder, "--device", "cpu", "--size", "32x32", "--frames", "5", "--patience",
                "0", "--attention", "sagesla", "--topk", "0.5", "--compare");
            Assert.Equal(0, run.ExitCode);
            Assert.Contains(", 32x32, 5 frames (8 tokens), batch 1, its own weights, cpu; sparse attention keeps 0.5 of", run.Out);
            return run.Out[run.Out.IndexOf("Relative L2", StringComparison.Ordinal)..];
        })];
        Assert.Equal(tables[0], tables[2]);
        Assert.NotEqual(tables[0], tables[1]);
        Assert.Matches(@"\| 4 \| 0\.[0-9]+ \| 0\.[0-9]+ \|", tables[0]);
        foreach (string[] random in new string[][] { ["--preset", "small-random"], ["--lora", "4"], ["--baseline"] })
            Assert.Contains("its own weights", CommandRun.Of(["bench", "--model", models.Folder, "--device", "cpu", .. random]).Error);
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
        Assert.All(result["warm"]!.AsArray(), r =>
            Assert.InRange((double)r!["frameSeconds"]!, double.Epsilon, (double)r["stages"]!["decoding"]!));
        Assert.Matches(
            "With frames/ written beside it, decoding takes [0-9.]+ times as long as without a writer, and [0-9.]+ times", run.Out);
        Assert.Equal(["frames/", "host memory", "video.mp4"],
            result["warm"]!.AsArray().Select(r => (string)r!["writer"]!).Order());
        Assert.Equal(["end.json"], Directory.GetFiles(folder).Select(Path.GetFileName));
        Assert.Contains("--model", CommandRun.Of("bench", "--end-to-end", "--preset", "wan2.1-t2v-14b").Error);
        Assert.Contains("--chart", CommandRun.Of("bench", "--end-to-end", "--chart", Path.Combine(folder, "end.png")).Error);
    }

    [Fact]
    public void Whole_generations_by_a_tiny_autoencoder_need_no_full_one_and_say_so()
    {
        string folder = models.NewFolder(), model = Path.Combine(folder, "model"), json = Path.Combine(folder, "end.json");
        Assert.Equal(0, CommandRun.Of("new", "small", model, "--dim", "64", "--layers", "1").ExitCode);
        ModelFiles files = ModelFiles.FromFolder(model);
        Assert.Equal(0, CommandRun.Of("new", "small", files.TinyVae!, "--part", "tiny-vae", "--seed", "5", "--overwrite").ExitCode);
        File.Delete(files.Vae);
        string[] bench = ["bench", "--end-to-end", "--model", model, "--device", "cpu", "--size", "32x32", "--frames", "5",
            "--repeats", "1"];
        Assert.Equal(1, CommandRun.Of(bench).ExitCode);
        CommandRun run = CommandRun.Of([.. bench, "--vae", "tiny", "--json", json]);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("tiny VAE", run.Out.Split('\n')[0]);
        Assert.Matches(@"\| decoding \| [0-9.]+ \| [0-9.]+ \|", run.Out);
        Assert.True((bool)JsonNode.Parse(File.ReadAllText(json))!["tinyVae"]!);
    }

    [Theory]
    [InlineData(false, "| decoding | 2.00 | 0.50 | 1.82 | 3.6 |", "| encoding a video of these frames |  | 0.25 | 1.15 | 4.6 |")]
    [InlineData(true, "| decoding | 2.00 | 0.50 |  |  |", "| encoding a video of these frames |  | 0.25 |  |  |")]
    public void The_official_full_autoencoder_is_compared_with_the_full_one_alone(bool tiny, string decoding, string encoding)
    {
        EndToEndRun Run(double decoded) => new(EndToEndResult.HostMemory, 3, decoded, new Dictionary<GenerationStage, double>
        {
            [GenerationStage.Denoising] = 1, [GenerationStage.Decoding] = decoded,
        });
        string table = new EndToEndResult
        {
            Model = "a model", Preset = ModelSpec.T2V1_3B.Name, TinyVae = tiny, Device = "a device", Size = new(832, 480), Frames = 81,
            Steps = 4, Version = "0", OpeningSeconds = 1, EncodingSeconds = 0.25, First = Run(2), Warm = [Run(0.5)], PeakBytes = 1,
        }.ToMarkdown();
        Assert.Contains(decoding, table);
        Assert.Contains(encoding, table);
        Assert.Contains("| denoising | 1.00 | 1.00 | 1.47 | 1.5 |", table);
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
    [InlineData("cannot be written", "--chart", "/dev/null/bench.png")]
    public void What_cannot_be_measured_is_one_line(string says, params string[] options)
    {
        CommandRun run = CommandRun.Of(["bench", "--device", "cpu", "--patience", "0", .. options]);
        Assert.Equal((1, ""), (run.ExitCode, run.Out));
        Assert.Contains(says, Assert.Single(run.Errors));
    }
}
