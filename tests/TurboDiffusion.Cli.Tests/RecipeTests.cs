using System.Text.Json.Nodes;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

/// <summary>The commands of docs/training.md, one after the other, with a small model of random weights in the place of Wan.</summary>
public class RecipeTests(Models models)
{
    [Fact]
    public async Task From_videos_to_a_tuned_distilled_merged_and_quantized_model()
    {
        string folder = models.NewFolder(), videos = Directory.CreateDirectory(Path.Combine(folder, "videos")).FullName;
        string Named(string name) => Path.Combine(folder, name);
        string teacher = models.Transformer(AttentionKind.Dense, WeightFormat.Float), latents = Named("latents");
        await Videos.Write(Path.Combine(videos, "one.mp4"), 9, "a red wall");
        await Videos.Write(Path.Combine(videos, "two.mp4"), 5, "a wall, painted red");
        await Videos.Write(Path.Combine(videos, "three.webm"), 5, "paint");

        Run("encode", videos, latents, "--model", models.Folder, "--size", "64x64", "--frames", "5", "--fps", "8");
        string sla = Config("sla", c => (c["queryBlock"], c["keyBlock"]) = (16, 16)),
            rcm = Config("rcm", c => c["rcm"]!["tangentWarmUp"] = 1);
        Run("train", "sla", "--config", sla);
        Run("train", "sla", "--config", sla, "--iterations", "4");
        Run("train", "rcm", "--config", rcm);
        Run("merge", Named("rcm/model.safetensors"), Named("sla/model.safetensors"), teacher, Named("turbo.safetensors"));
        Run("quantize", Named("turbo.safetensors"), Named("turbo-int8.safetensors"));
        CommandRun made = Run("generate", "a red wall", "--model", models.Folder, "--transformer", Named("turbo-int8.safetensors"),
            "--device", "cpu",
            "--size", "64x64", "--frames", "5", "--steps", "1", "--attention", "sla", "-o", Named("wall.mp4"));
        Assert.True(new FileInfo(Named("wall.mp4")).Length > 0, made.Out);

        string Config(string loop, Action<JsonNode> change)
        {
            JsonNode config = JsonNode.Parse(CommandRun.Of("train", loop, "--print-config").Out)!;
            (config["output"], config["data"], config["teacher"]) = (Named(loop), latents, teacher);
            config["training"]!["iterations"] = 3;
            change(config);
            File.WriteAllText(Named(loop + ".json"), config.ToJsonString());
            return Named(loop + ".json");
        }
    }

    [Fact]
    public async Task From_videos_to_a_LoRA_of_an_image_to_video_model()
    {
        string folder = models.NewFolder(), model = Path.Combine(folder, "model"), latents = Path.Combine(folder, "latents"),
            videos = Directory.CreateDirectory(Path.Combine(folder, "videos")).FullName, frames = Path.Combine(folder, "frames") + "/";
        Run("new", "small", model, "--like", "wan2.1-i2v-14b-480p", "--dim", "64", "--layers", "1");
        await Videos.Write(Path.Combine(videos, "one.mp4"), 5, "a red wall");
        Run("encode", videos, latents, "--model", model, "--device", "cpu", "--size", "32x32", "--frames", "5", "--fps", "8");
        JsonNode config = JsonNode.Parse(CommandRun.Of("train", "teacher", "--lora", "2", "--print-config").Out)!;
        (config["output"], config["data"], config["initial"], config["model"]) =
            (Path.Combine(folder, "run"), latents, ModelFiles.FromFolder(model).Transformer, null);
        config["training"]!["iterations"] = 2;
        string file = Path.Combine(folder, "lora.json"), lora = Path.Combine(folder, "run", "lora.safetensors");
        File.WriteAllText(file, config.ToJsonString());
        Run("train", "teacher", "--config", file);
        Assert.Contains("cross_attn.v_img", Run("inspect", lora, "--tensors").Out);
        Run("generate", "a red wall", "--model", models.Folder, "--device", "cpu", "--size", "32x32", "--frames", "1", "--steps", "1",
            "-o", frames);
        CommandRun made = Run("generate", "a red wall", "--model", model, "--image", frames + "frame_00000.png", "--lora", lora,
            "--device", "cpu", "--size", "32x32", "--frames", "5", "--steps", "1", "-o", Path.Combine(folder, "wall.gif"));
        Assert.DoesNotContain("ignored", made.Error);
    }

    private static CommandRun Run(params string[] command)
    {
        CommandRun run = CommandRun.Of(command);
        Assert.True(run.ExitCode == 0, run.Error);
        return run;
    }
}
