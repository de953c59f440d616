using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Training.Data;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class EncodeTests(Models models)
{
    [Fact]
    public async Task Videos_with_captions_become_latents()
    {
        string videos = models.NewFolder(), output = Path.Combine(models.NewFolder(), "latents");
        await Videos.Write(Path.Combine(videos, "a.mp4"), 11, "a red square");
        await Videos.Write(Path.Combine(Directory.CreateDirectory(Path.Combine(videos, "more")).FullName, "b.mp4"), 5, "a blue square");
        await Videos.Write(Path.Combine(videos, "short.mp4"), 3, "too short");
        string[] command = ["encode", videos, output, "--model", models.Folder, "--device", "cpu", "--size", "32x32", "--frames", "5",
            "--fps", "8"];

        using (var cancellation = new CancellationTokenSource())
        using (var error = new CancellingWriter("encoding, 0 of 3 videos", cancellation))
            Assert.Equal(130, CommandLine.Run(command, new Terminal(TextWriter.Null, error, null, 100, cancellation.Token)));
        Assert.Equal(["encoded.json"], Directory.GetFiles(output).Select(Path.GetFileName));

        CommandRun run = CommandRun.Of(command);
        Assert.Equal((0, ""), (run.ExitCode, string.Concat(run.Errors)));
        Assert.Contains("warning: " + Path.Combine(videos, "short.mp4"), run.Error);
        Assert.Contains("3 clips of 2 videos", run.Out);
        Assert.Equal(["a-000", "a-001", "more_b-000", "negative"],
            Directory.GetFiles(output, "*.safetensors").Select(Path.GetFileNameWithoutExtension).Order());
        using ICheckpoint latents = SafetensorsFile.Open(Path.Combine(output, "a-001.safetensors"));
        Assert.Equal([16L, 2, 4, 4], latents.Tensors["latents"].Shape);
        Assert.Equal([512L, 64], latents.Tensors["text"].Shape);
        Assert.Equal(3, new LatentFolder(output).Count);

        Assert.Contains("frames '5'", Assert.Single(CommandRun.Of([.. command[..^3], "9", "--fps", "8"]).Errors));
    }

    [Theory]
    [InlineData("Wan2.2-I2V-A14B", 0)]
    [InlineData("Wan2.1-I2V-14B-480P", 17)]
    [InlineData("Wan2.1-FLF2V-14B-720P", 34)]
    public async Task An_image_to_video_model_gets_its_images_too(string like, long tokens)
    {
        string model = models.NewFolder(), videos = models.NewFolder(), output = Path.Combine(models.NewFolder(), "latents");
        new SmallModel { Like = ModelSpec.Find(like) }.Write(model);
        await Videos.Write(Path.Combine(videos, "a.mp4"), 5, "a red square");
        CommandRun run = CommandRun.Of("encode", videos, output, "-m", model, "--device", "cpu", "--size", "32x32", "--frames", "5",
            "--fps", "8", "--negative-prompt", "blurry");
        Assert.Equal((0, ""), (run.ExitCode, string.Concat(run.Errors)));
        using ICheckpoint latents = SafetensorsFile.Open(Path.Combine(output, "a-000.safetensors"));
        Assert.Equal([20L, 2, 4, 4], latents.Tensors["image"].Shape);
        Assert.Equal(tokens > 0 ? [tokens, 32] : null, latents.Tensors.GetValueOrDefault("image_tokens")?.Shape);
        // Four channels of mask: the first latent frame is given, and of the last its last frame where the model takes one.
        using var scope = torch.NewDisposeScope();
        torch.Tensor mask = latents.Read("image").narrow(0, 0, 4).mean([2, 3]);
        float last = like.Contains("FLF2V", StringComparison.Ordinal) ? 1 : 0;
        Assert.Equal([1, 0, 1, 0, 1, 0, 1, last], mask.data<float>().ToArray());
    }

    [Fact]
    public async Task What_an_interrupted_run_finished_is_not_done_again()
    {
        string folder = models.NewFolder(), output = Path.Combine(models.NewFolder(), "clips");
        foreach (string name in new[] { "a", "b" }) await Videos.Write(Path.Combine(folder, name + ".mp4"), 5, caption: null);
        var videos = new VideoFolder(folder);
        var options = new VideoClipOptions { Size = new VideoSize(16, 16), Frames = 5, FramesPerSecond = 8 };
        using var cancellation = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() =>
            VideoEncoding.CopyClips(videos, output, options, new CancelAfterVideo(cancellation), cancellation.Token));
        string first = Path.Combine(output, "a-000.safetensors");
        DateTime written = File.GetLastWriteTimeUtc(first);
        Assert.Equal([first], Directory.GetFiles(output, "*.safetensors"));

        EncodingProgress done = VideoEncoding.CopyClips(videos, output, options);
        Assert.Equal((2, 2, 2), (done.Videos, done.TotalVideos, done.Clips));
        Assert.Equal(written, File.GetLastWriteTimeUtc(first));
        Assert.Throws<InvalidRequestException>(() => VideoEncoding.CopyClips(videos, output, options with { Frames = 1 }));
    }

    [Fact]
    public async Task Videos_become_clips_for_a_vae()
    {
        string videos = models.NewFolder(), output = Path.Combine(models.NewFolder(), "clips");
        await Videos.Write(Path.Combine(videos, "a.mp4"), 9, caption: null);
        CommandRun run = CommandRun.Of("encode", videos, output, "--clips", "--size", "32x16", "--frames", "9", "--fps", "8");
        Assert.Equal((0, ""), (run.ExitCode, string.Concat(run.Errors)));
        using var data = new ClipFolder(output, 9, 16, 32);
        using ICheckpoint clip = SafetensorsFile.Open(Path.Combine(output, "a-000.safetensors"));
        using torch.Tensor video = clip.Read("video");
        Assert.Equal([3, 9, 16, 32], video.shape);
        Assert.InRange(video[0, 4, 8, 16].ToInt32(), 180, 220);
        Assert.InRange(video[1, 4, 8, 16].ToInt32(), 0, 30);
    }

    [Fact]
    public async Task What_cannot_be_encoded_is_one_line()
    {
        string videos = models.NewFolder(), other = models.NewFolder();
        Assert.Contains("no videos", Error(videos, "--clips"));
        await Videos.Write(Path.Combine(videos, "a.mp4"), 5, caption: null);
        Assert.Contains("a.txt", Error(videos, "--model", models.Folder));
        Assert.Contains("--model", Error(videos));
        Assert.Contains("4k + 1", Error(videos, "--clips", "--frames", "6"));
        Assert.Contains("fewer frames", Error(videos, "--clips", "--frames", "81", "--size", "16x16"));
        File.WriteAllText(Path.Combine(other, "b.mp4"), "text");
        Assert.Contains("b.mp4", Error(other, "--clips", "--size", "16x16"));
        Assert.Contains("not empty", Assert.Single(CommandRun.Of("encode", videos, videos, "--clips").Errors));
        await Videos.Write(Path.Combine(videos, "a.webm"), 5, caption: null);
        Assert.Contains("one name", Error(videos, "--clips"));

        string Error(string folder, params string[] options)
        {
            CommandRun run = CommandRun.Of(["encode", folder, Path.Combine(models.NewFolder(), "out"), .. options]);
            Assert.Equal(1, run.ExitCode);
            return Assert.Single(run.Errors);
        }
    }

    private sealed class CancelAfterVideo(CancellationTokenSource cancellation) : IProgress<EncodingProgress>
    {
        public void Report(EncodingProgress value)
        {
            if (value.Videos == 1) cancellation.Cancel();
        }
    }
}
