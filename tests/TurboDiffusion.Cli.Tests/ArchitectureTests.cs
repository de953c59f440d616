using System.Text.Json.Nodes;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

/// <summary>A small model of each architecture, made and run by the command line.</summary>
public class ArchitectureTests(Models models)
{
    [Theory]
    [InlineData("Wan2.1-T2V-1.3B", "", false, "--attention", "sage")]
    [InlineData("Wan2.1-T2V-14B", "", false, "--causal", "1")]
    [InlineData("Wan2.1-I2V-14B-480P", "--image", false, "--attention", "sagesla", "--weights", "int8")]
    [InlineData("Wan2.1-I2V-14B-720P", "--image", false, "--attention", "dense", "--weights", "float")]
    [InlineData("Wan2.1-FLF2V-14B-720P", "--image --end-image", false, "--residency", "staged")]
    [InlineData("Wan2.2-I2V-A14B", "--image --end-image", false, "--weights", "int8", "--residency", "swapped")]
    [InlineData("Wan2.2-T2V-A14B", "", false)]
    [InlineData("Wan2.2-TI2V-5B", "--image", true, "--attention", "sla", "--weights", "int8")]
    [InlineData("Wan2.2-TI2V-5B", "", true, "--vae", "tiny")]
    public void A_small_model_like_a_published_one_is_made_inspected_and_run(string like, string images, bool coarse, params string[] more)
    {
        string folder = models.NewFolder(), model = Path.Combine(folder, "model"), output = Path.Combine(folder, "video.gif");
        Assert.Equal(0, CommandRun.Of("new", "small", model, "--like", like.ToLowerInvariant(), "--dim", "64", "--layers", "1").ExitCode);
        ModelFiles files = ModelFiles.FromFolder(model);
        foreach (string file in new[] { files.Transformer, files.LowNoiseTransformer, files.Vae, files.TinyVae, files.TextEncoder,
            files.ImageEncoder }.OfType<string>())
        {
            CommandRun inspection = CommandRun.Of("inspect", file);
            Assert.Equal((0, false), (inspection.ExitCode, inspection.Out.Contains("problem", StringComparison.Ordinal)));
        }
        Assert.Equal(like.Contains("2.1-I2V", StringComparison.Ordinal) || like.Contains("FLF2V", StringComparison.Ordinal),
            files.ImageEncoder is not null);

        string[] given = [.. images.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .SelectMany(option => new[] { option, Picture(folder, option == "--image" ? 1u : 2u) })];
        CommandRun run = CommandRun.Of(["generate", "a red circle", "--model", model, "--device", "cpu", "--size",
            coarse ? "64x32" : "32x32", "--frames", "5", "--seed", "7", "-o", output, "--json", "--steps", "2", .. given, .. more]);
        Assert.Equal(("", 0), (string.Concat(run.Errors), run.ExitCode));
        Assert.True(new FileInfo(output).Length > 0);
        Assert.Equal(like == ModelSpec.T2V1_3B.Name ? "small random model" : $"small random model like {like}",
            (string)JsonNode.Parse(run.Out)!["model"]!["name"]!);
    }

    [Fact]
    public void Every_published_model_is_among_them()
    {
        IEnumerable<object?> made = GetType().GetMethod(nameof(A_small_model_like_a_published_one_is_made_inspected_and_run))!
            .GetCustomAttributes(typeof(InlineDataAttribute), false).Select(row => ((InlineDataAttribute)row).Data[0]);
        Assert.Equal(ModelSpec.All.Select(s => s.Name).Order(), made.Select(name => (string)name!).Distinct().Order());
    }

    [Theory]
    [InlineData("Wan2.1-I2V-14B-480P", "cannot be given the last frame", "--image", "--end-image")]
    [InlineData("Wan2.1-I2V-14B-480P", "give a start image")]
    [InlineData("Wan2.1-FLF2V-14B-720P", "give an end image too", "--image")]
    [InlineData("Wan2.2-TI2V-5B", "cannot be given the last frame", "--image", "--end-image")]
    [InlineData("Wan2.1-T2V-1.3B", "generates from text alone", "--image")]
    [InlineData("Wan2.2-I2V-A14B", "give that with --image", "--end-image")]
    public void Images_that_a_model_does_not_take_or_misses_are_refused(string like, string reason, params string[] images)
    {
        string folder = models.NewFolder(), model = Path.Combine(folder, "model"), picture = Picture(folder, 1);
        CommandRun.Of("new", "small", model, "--like", like, "--dim", "64", "--layers", "1");
        CommandRun run = CommandRun.Of(["generate", "a red circle", "--model", model, "--device", "cpu", "--size", "64x32", "--frames", "5",
            "-o", Path.Combine(folder, "video.gif"), .. images.SelectMany(i => new[] { i, picture })]);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains(reason, Assert.Single(run.Errors));
        Assert.False(File.Exists(Path.Combine(folder, "video.gif")));
    }

    [Fact]
    public void A_model_with_an_image_branch_needs_its_image_encoder()
    {
        string folder = models.NewFolder(), model = Path.Combine(folder, "model");
        CommandRun.Of("new", "small", model, "--like", "wan2.1-i2v-14b-480p", "--dim", "64", "--layers", "1");
        ModelFiles files = ModelFiles.FromFolder(model);
        string[] single = ["generate", "a red circle", "--transformer", files.Transformer, "--vae", files.Vae, "--text-encoder",
            files.TextEncoder, "--tokenizer", files.Tokenizer, "--image", Picture(folder, 1), "--device", "cpu", "--size", "32x32",
            "--frames", "5", "--steps", "1", "-o", Path.Combine(folder, "video.gif")];
        Assert.Contains("needs the CLIP image encoder", Assert.Single(CommandRun.Of(single).Errors));
        Assert.Equal(0, CommandRun.Of([.. single, "--image-encoder", files.ImageEncoder!]).ExitCode);
    }

    [Fact]
    public void A_published_image_encoder_is_written_whole_or_not_at_all()
    {
        CommandRun run = CommandRun.Of("new", "Wan2.2-I2V-A14B", Path.Combine(models.NewFolder(), "clip.safetensors"), "--part",
            "image-encoder");
        Assert.Contains("has no image encoder", Assert.Single(run.Errors));
    }

    // A frame of the small text-to-video model.
    private string Picture(string folder, uint seed)
    {
        string frames = Path.Combine(folder, $"frames-{seed}") + Path.DirectorySeparatorChar, picture = $"{frames}frame_00000.png";
        if (!File.Exists(picture))
            CommandRun.Of("generate", "a red circle", "--model", models.Folder, "--device", "cpu", "--size", "32x32", "--frames", "1",
                "--steps", "1", "--seed", $"{seed}", "-o", frames);
        Assert.True(File.Exists(picture));
        return picture;
    }
}
