using System.Text.Json;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Training.Samples;
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

    // From drawn clips to a teacher, its text encoder trained along, with the picture of its scores.
    [Fact]
    public void A_teacher_is_trained_on_the_world_and_scored()
    {
        string folder = models.NewFolder(), data = Path.Combine(folder, "data"), file = Path.Combine(folder, "teacher.json"),
            run = Path.Combine(folder, "run");
        CommandRun world = CommandRun.Of("world", data, "--vae", Path.Combine(models.Folder, "vae.safetensors"), "--clips", "2",
            "--size", "64x48", "--frames", "9", "--device", "cpu");
        Assert.Equal((0, ""), (world.ExitCode, string.Concat(world.Errors)));
        File.WriteAllText(file, $$"""
            {
              "output": {{JsonSerializer.Serialize(run)}}, "device": "cpu", "data": {{Name("latents.safetensors")}},
              "model": { "dim": 32, "ffnDim": 32, "numHeads": 2, "numLayers": 1, "textDim": 16, "freqDim": 16 },
              "newTextEncoder": { "vocab": 512, "dim": 16, "dimAttn": 16, "dimFfn": 16, "numHeads": 2, "numLayers": 1 },
              "scores": {
                "every": 1, "prompts": 1, "twoObjectPrompts": 1, "width": 64, "height": 48, "frames": 9, "steps": 1, "guidance": 1,
                "vae": {{Name("vae.safetensors")}}, "tokenizer": {{Name("spiece.model")}}
              },
              "training": { "iterations": 2, "batchSize": 1, "saveEvery": 0 }
            }
            """);
        CommandRun trained = CommandRun.Of("train", "teacher", "--config", file);
        Assert.Equal((0, ""), (trained.ExitCode, string.Concat(trained.Errors)));
        Assert.Contains("scores: ", trained.Out + trained.Error.Replace("warning: the run ended", "scores: ", StringComparison.Ordinal));
        Assert.Equal([0, 1, 2], ScoreLine.Read(Path.Combine(run, ScoreObserver.File)).Select(l => l.Iteration));
        Assert.True(File.Exists(Path.Combine(run, RunPictures.Scores)));
        // The best state is a model that can be run: its heads are told, and the text encoder is of the same moment.
        CommandRun video = CommandRun.Of("generate", "a red circle", "--device", "cpu", "--transformer",
            Path.Combine(run, ScoreObserver.BestFile), "--text-encoder", Path.Combine(run, ScoreObserver.BestTextEncoderFile),
            "--vae", Path.Combine(data, "vae.safetensors"), "--tokenizer", Path.Combine(data, "spiece.model"),
            "--size", "64x48", "--frames", "5", "--steps", "1", "-o", Path.Combine(folder, "video.mp4"));
        Assert.Equal((0, ""), (video.ExitCode, string.Concat(video.Errors)));

        string Name(string name) => JsonSerializer.Serialize(Path.Combine(data, name));
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
