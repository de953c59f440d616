using System.Text.Json.Nodes;
using TurboDiffusion.Generation.Models;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class GenerateTests(Models models)
{
    [Fact]
    public void A_causal_generation_writes_a_group_of_frames_before_it_begins_the_next()
    {
        string folder = models.NewFolder();
        CommandRun Causal(string file, params string[] more) => CommandRun.Of(["generate", "a red circle", "--model", models.Folder,
            "--device", "cpu", "--size", "32x32", "--frames", "13", "--steps", "1", "--seed", "7", "-o", Path.Combine(folder, file),
            .. more]);
        CommandRun run = Causal("a.gif", "--causal", "2"), usual = Causal("b.gif"), again = Causal("c.gif", "--causal", "2");
        Assert.Equal((0, 0, 0), (run.ExitCode, usual.ExitCode, again.ExitCode));
        // Two groups of two latent frames: the first is decoded before the second is begun.
        int[] begun = [.. run.Error.Split('\n').Index().Where(l => l.Item.StartsWith("denoising, 0 of 1 steps")).Select(l => l.Index)];
        int decoded = Array.FindIndex(run.Error.Split('\n'), l => l.StartsWith("decoding, 1 of 13 frames"));
        Assert.Equal(2, begun.Length);
        Assert.InRange(decoded, begun[0], begun[1]);
        Assert.Single(usual.Error.Split('\n'), l => l.StartsWith("denoising, 0 of 1 steps"));
        Assert.Equal(File.ReadAllBytes(Path.Combine(folder, "a.gif")), File.ReadAllBytes(Path.Combine(folder, "c.gif")));
        Assert.NotEqual(File.ReadAllBytes(Path.Combine(folder, "b.gif")), File.ReadAllBytes(Path.Combine(folder, "a.gif")));
        Assert.Contains("guidance", Assert.Single(Causal("d.gif", "--causal", "2", "--guidance", "3").Errors));
    }

    [Fact]
    public void A_prompt_becomes_a_file_and_the_result_says_what_it_is()
    {
        string output = Path.Combine(models.NewFolder(), "video.mp4");
        CommandRun run = CommandRun.Of(models.Generate(output));
        Assert.Equal((0, ""), (run.ExitCode, string.Concat(run.Errors)));
        Assert.True(new FileInfo(output).Length > 0);
        Assert.Contains($"{output}: 32x32, 5 frames at 8 per second", run.Out);
        Assert.Contains("seed 7", run.Out);
        Assert.Contains("model: small random model (custom, sla; sla attention, float weights, cpu)", run.Out);
        Assert.Matches(@"time: .*denoising \d", run.Out);
        Assert.Contains("the picture is noise", run.Out);
        Assert.Contains("denoising, 1 of 1 steps", run.Error);
    }

    [Fact]
    public void Json_has_every_video_and_the_model()
    {
        string output = Path.Combine(models.NewFolder(), "video.mp4");
        CommandRun run = CommandRun.Of(models.Generate(output, "--json", "--count", "2", "--fps", "12"));
        JsonNode json = JsonNode.Parse(run.Out)!;
        Assert.Equal(["video-1.mp4", "video-2.mp4"], json["videos"]!.AsArray().Select(v => Path.GetFileName((string)v!["path"]!)));
        Assert.Equal([7ul, 8ul], json["videos"]!.AsArray().Select(v => (ulong)v!["seed"]!));
        Assert.Equal(12, (int)json["videos"]![0]!["framesPerSecond"]!);
        Assert.Equal(("sla", true), ((string)json["model"]!["attention"]!, (bool)json["model"]!["randomWeights"]!));
        Assert.True((double)json["stageSeconds"]!["decoding"]! > 0);
    }

    [Fact]
    public void Quiet_prints_the_path_alone_and_an_output_is_replaced_only_when_asked()
    {
        string output = Path.Combine(models.NewFolder(), "video.gif");
        Assert.Equal(new CommandRun(0, output + Environment.NewLine, ""), CommandRun.Of(models.Generate(output, "--quiet")));
        CommandRun second = CommandRun.Of(models.Generate(output, "--quiet"));
        Assert.Equal(1, second.ExitCode);
        Assert.Contains("exists already", Assert.Single(second.Errors));
        Assert.Equal(0, CommandRun.Of(models.Generate(output, "--quiet", "--overwrite")).ExitCode);
    }

    [Fact]
    public void Options_reach_the_generator()
    {
        string output = Path.Combine(models.NewFolder(), "video.mp4");
        CommandRun run = CommandRun.Of(models.Generate(output, "--json", "--attention", "sagesla", "--topk", "0.5", "--weights", "int8",
            "--residency", "staged", "--sampler", "euler",
            "--guidance", "3", "--negative-prompt", "blue", "--shift", "3"));
        Assert.Equal(0, run.ExitCode);
        JsonNode model = JsonNode.Parse(run.Out)!["model"]!;
        Assert.Equal(("sagesla", "int8"), ((string)model["attention"]!, (string)model["weights"]!));
    }

    [Fact]
    public void Single_files_make_a_model()
    {
        ModelFiles files = models.Files;
        string output = Path.Combine(models.NewFolder(), "video.mp4");
        CommandRun run = CommandRun.Of("generate", "a circle", "--transformer", files.Transformer, "--vae", files.Vae, "--text-encoder",
            files.TextEncoder,
            "--tokenizer", files.Tokenizer, "--device", "cpu", "--size", "32x32", "--frames", "1", "--steps", "1", "-o", output, "--quiet");
        Assert.Equal((0, output), (run.ExitCode, run.Out.Trim()));
        CommandRun incomplete = CommandRun.Of("generate", "a circle", "--transformer", files.Transformer);
        Assert.Equal(1, incomplete.ExitCode);
        Assert.Contains("--vae, --text-encoder, --tokenizer", Assert.Single(incomplete.Errors));
    }

    [Fact]
    public void The_default_model_is_the_embedded_one()
    {
        string output = Path.Combine(models.NewFolder(), "video.mp4");
        CommandRun run = CommandRun.Of("generate", "a red circle", "--device", "cpu", "--size", "64x32", "--frames", "5", "--steps", "1",
            "-o", output);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("model: shapes (", run.Out);
        Assert.DoesNotContain("random", run.Out);
        Assert.DoesNotContain("note:", run.Error);
        Assert.True(new FileInfo(output).Length > 0);
    }

    [Fact]
    public void A_prompt_from_outside_the_models_world_gets_a_note_before_the_work_begins()
    {
        CommandRun run = CommandRun.Of("generate", "A cat surfs on a wave, it is red.", "--device", "cpu", "--size", "64x32",
            "--frames", "5", "--steps", "1", "--json", "-o", Path.Combine(models.NewFolder(), "video.mp4"));
        Assert.Equal(0, run.ExitCode);
        string note = Assert.Single(run.Error.Split('\n'), line => line.StartsWith("note:", StringComparison.Ordinal));
        Assert.All(new[] { "'cat'", "'surfs'", "'wave'" }, word => Assert.Contains(word, note));
        Assert.DoesNotContain("'red'", note);
        Assert.Equal(note["note: ".Length..],
            System.Text.Json.Nodes.JsonNode.Parse(run.Out)!["videos"]![0]!["note"]!.GetValue<string>());
        foreach (string example in ModelFiles.FromFolder(Path.Combine(AppContext.BaseDirectory, "models", "shapes")).ExamplePrompts!)
        {
            Assert.Contains($"\"{example}\"", note);
            Assert.NotNull(ShapeWorld.Captions.Parse(example));
        }
    }

    [Fact]
    public async Task The_default_output_is_one_file_that_is_replaced()
    {
        string folder = models.NewFolder();
        for (int i = 0; i < 2; i++)
        {
            using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(
                Path.Combine(AppContext.BaseDirectory, "TurboDiffusion.Cli"),
                ["generate", "a circle", "--size", "32x32", "--frames", "1", "--steps", "1"])
            { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
            Assert.Equal(0, (await CommandRun.EndOf(process)).ExitCode);
        }
        Assert.Equal(["video.mp4"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName));
    }

    [Fact]
    public void A_preview_shows_the_steps_or_says_why_it_cannot()
    {
        string folder = models.NewFolder(), picture = Path.Combine(folder, "now.png");
        Assert.Equal("", string.Concat(CommandRun.Of(models.Generate(Path.Combine(folder, "video.gif"), "--preview", picture)).Errors));
        using (SkiaSharp.SKBitmap shown = SkiaSharp.SKBitmap.Decode(picture))
            Assert.Equal((5 * 32 + 4 * 4, 32), (shown.Width, shown.Height));
        CommandRun name = CommandRun.Of(models.Generate(Path.Combine(folder, "b.gif"), "--preview", Path.Combine(folder, "now.jpg")));
        Assert.Contains("ends in .png", string.Concat(name.Errors));
        CommandRun low = CommandRun.Of(["generate", "a red circle", "--transformer", models.Files.Transformer, "--vae", models.Files.Vae,
            "--text-encoder", models.Files.TextEncoder, "--tokenizer", models.Files.Tokenizer, "--device", "cpu", "--size", "32x32",
            "--frames", "5", "--residency", "staged", "--preview", picture, "-o", Path.Combine(folder, "c.gif")]);
        Assert.Contains("--residency resident", string.Concat(low.Errors));
        Assert.Equal(["now.png", "video.gif"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void A_tiny_VAE_decodes_in_place_of_the_full_one()
    {
        string folder = models.NewFolder(), tiny = Path.Combine(folder, "tiny.gif"), named = Path.Combine(folder, "named.gif"),
            full = Path.Combine(folder, "full.gif");
        foreach (string[] args in new[] { models.Generate(tiny, "--vae", "tiny"), models.Generate(named, "--vae", models.Files.TinyVae!),
            models.Generate(full) })
            Assert.Equal("", string.Concat(CommandRun.Of(args).Errors));
        Assert.Equal(File.ReadAllBytes(tiny), File.ReadAllBytes(named));
        Assert.NotEqual(File.ReadAllBytes(tiny), File.ReadAllBytes(full));
    }
}
