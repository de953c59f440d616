using TurboDiffusion.Generation.Models;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class BadInputTests(Models models)
{
    [Theory]
    [InlineData("prompt is empty", "generate", "")]
    [InlineData("multiple of 16", "generate", "x", "--size", "100x64")]
    [InlineData("frames", "generate", "x", "--frames", "6")]
    [InlineData("steps", "generate", "x", "--model", "small-random", "--steps", "7")]
    [InlineData("does not exist", "generate", "x", "--transformer", "/nowhere.safetensors", "--model", "small-random")]
    [InlineData("neither a folder nor a model", "generate", "x", "--model", "nothing")]
    [InlineData("image '/nowhere.png' does not exist", "generate", "x", "--image", "/nowhere.png")]
    [InlineData("cannot be written", "generate", "x", "-o", "/dev/null/video.mp4")]
    [InlineData("cannot be written", "generate", "x", "-o", "/proc/video.mp4")]
    [InlineData("no extension", "generate", "x", "-o", "video.xyz")]
    [InlineData("exclude each other", "generate", "x", "--ode", "--sde")]
    [InlineData("give either", "generate", "x", "--size", "32x32", "--resolution", "480p")]
    [InlineData("needs --resolution", "generate", "x", "--aspect-ratio", "1:1")]
    [InlineData("follows an image", "generate", "x", "--adaptive-size")]
    [InlineData("boundary", "generate", "x", "--boundary", "2")]
    [InlineData("top-k", "generate", "x", "--model", "small-random", "--topk", "0")]
    [InlineData("no device", "generate", "x", "--device", "tpu")]
    [InlineData("does not exist", "inspect", "/nowhere.pth")]
    [InlineData("no preset", "new", "Wan9", "/tmp/x.safetensors")]
    [InlineData("small model", "new", "Wan2.1-T2V-1.3B", "/tmp/x.safetensors", "--layers", "3")]
    public void A_value_that_cannot_be_used_ends_with_one_line_and_1(string expected, params string[] args)
    {
        CommandRun run = CommandRun.Of(args);
        Assert.Equal((1, ""), (run.ExitCode, run.Out));
        // One line and no progress: nothing was begun.
        Assert.StartsWith("error: ", Assert.Single(run.Error.Trim().Split('\n')));
        Assert.Contains(expected, run.Error);
        Assert.DoesNotContain(" at TurboDiffusion", run.Error);
    }

    [Theory]
    [InlineData("--steps is 'many'; give a whole number.", "generate", "x", "--steps", "many")]
    [InlineData("--sampler is 'ddim'; choose one of rcm, unipc, euler.", "generate", "x", "--sampler", "ddim")]
    [InlineData("--nothing", "generate", "x", "--nothing")]
    [InlineData("PROMPT", "generate")]
    [InlineData("nothing", "nothing")]
    public void A_wrong_command_line_ends_with_2_and_the_way_to_help(string expected, params string[] args)
    {
        CommandRun run = CommandRun.Of(args);
        Assert.Equal((2, ""), (run.ExitCode, run.Out));
        Assert.Contains(expected, run.Error);
        Assert.EndsWith("--help.\n", run.Error);
    }

    [Fact]
    public void A_text_encoder_of_another_width_is_refused_before_the_work()
    {
        string wide = new SmallModel { TextDim = 128 }.Write(models.NewFolder()).TextEncoder;
        CommandRun run = CommandRun.Of(models.Generate(Path.Combine(models.NewFolder(), "v.mp4"), "--text-encoder", wide));
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("128", Assert.Single(run.Error.Trim().Split('\n')));
    }

    [Theory]
    [InlineData("TURBODIFFUSION_FFMPEG", "/nowhere")]
    [InlineData("PATH", "")]
    public async Task Without_ffmpeg_nothing_is_begun(string variable, string value)
    {
        string folder = models.NewFolder();
        using var process = CommandRun.Start(new Dictionary<string, string?> { [variable] = value }, AppContext.BaseDirectory,
            models.Generate(Path.Combine(folder, "v.mp4")));
        CommandRun run = await CommandRun.EndOf(process);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("apt-get install ffmpeg", Assert.Single(run.Error.Trim().Split('\n')));
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Fact]
    public void Verbose_adds_the_trace()
    {
        CommandRun run = CommandRun.Of("inspect", "/nowhere.pth", "--verbose");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains(" at TurboDiffusion", run.Error);
    }
}
