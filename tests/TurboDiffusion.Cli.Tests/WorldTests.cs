using TurboDiffusion.Checkpoints;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class WorldTests(Models models)
{
    [Fact]
    public void The_world_becomes_a_tokenizer_and_latents()
    {
        string output = models.NewFolder(), vae = Path.Combine(models.Folder, "vae.safetensors");
        CommandRun run = CommandRun.Of("world", output, "--vae", vae, "--clips", "1", "--captions", "2", "--text-length", "40",
            "--device", "cpu");
        Assert.Equal((0, ""), (run.ExitCode, string.Concat(run.Errors)));
        using ICheckpoint latents = SafetensorsFile.Open(Path.Combine(output, "latents.safetensors"));
        Assert.Equal([1L, 16, 9, 14, 24], latents.Tensors["latents"].Shape);
        Assert.Equal([1L, 2, 40], latents.Tensors["captions"].Shape);
        Assert.True(File.Exists(Path.Combine(output, "spiece.model")));
    }

    [Fact]
    public void What_cannot_be_rendered_is_said()
    {
        string output = models.NewFolder(), vae = Path.Combine(models.Folder, "vae.safetensors");
        Assert.Contains("0 clips", Assert.Single(CommandRun.Of("world", output, "--vae", vae, "--clips", "0", "--device", "cpu").Errors));
        Assert.Contains("does not fit into 4 tokens",
            Assert.Single(CommandRun.Of("world", output, "--vae", vae, "--clips", "1", "--text-length", "4", "--device", "cpu").Errors));
        Assert.Contains("transformer",
            Assert.Single(CommandRun.Of("world", output, "--vae", Path.Combine(models.Folder, "transformer.safetensors"), "--device",
                "cpu").Errors));
        Assert.Equal(["spiece.model"], Directory.GetFiles(output).Select(Path.GetFileName));
    }
}
