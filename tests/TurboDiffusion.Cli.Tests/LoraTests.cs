using System.Text.Json.Nodes;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class LoraTests(Models models)
{
    [Fact]
    public void Generate_merges_a_LoRA_and_says_what_it_left_out()
    {
        string folder = models.NewFolder(), lora = Write(folder, false);
        CommandRun run = CommandRun.Of(models.Generate(Path.Combine(folder, "a.gif"), "--lora", lora + ":0.5", "--json"));
        Assert.Equal(("", 0), (string.Concat(run.Errors), run.ExitCode));
        Assert.Contains("warning: " + lora + ": 1 of its tensors", run.Error);
        Assert.Equal("style.safetensors:0.5", (string)JsonNode.Parse(run.Out)!["model"]!["loras"]![0]!);
        CommandRun.Of(models.Generate(Path.Combine(folder, "b.gif")));
        Assert.NotEqual(File.ReadAllBytes(Path.Combine(folder, "b.gif")), File.ReadAllBytes(Path.Combine(folder, "a.gif")));
    }

    [Fact]
    public void Each_of_two_experts_gets_its_own_LoRAs_with_their_own_strengths()
    {
        string folder = models.NewFolder(), model = Path.Combine(folder, "model"), one = Write(folder, false, "one"),
            two = Write(folder, false, "two", -2);
        Assert.Equal(0, CommandRun.Of("new", "small", model, "--like", "wan2.2-t2v-a14b", "--layers", "1").ExitCode);
        ModelFiles files = ModelFiles.FromFolder(model);
        string merged = Directory.CreateDirectory(Path.Combine(folder, "merged")).FullName;
        CommandRun.Of("merge", files.Transformer, Path.Combine(merged, "high.safetensors"), "--lora", one + ":0.5");
        CommandRun.Of("merge", files.LowNoiseTransformer!, Path.Combine(merged, "low.safetensors"), "--lora", two, "--lora",
            one + ":-0.25");
        (files with { Transformer = "high.safetensors", LowNoiseTransformer = "low.safetensors" }).Write(merged);

        byte[] Frame(string name, string of, params string[] loras)
        {
            string frames = Path.Combine(folder, name) + Path.DirectorySeparatorChar;
            CommandRun run = CommandRun.Of(["generate", "a red circle", "--model", of, "--device", "cpu", "--size", "32x32",
                "--frames", "1", "--seed", "7", "--sampler", "euler", "--steps", "2", "--guidance", "1", "-o", frames, .. loras]);
            Assert.Equal(("", 0), (string.Concat(run.Errors), run.ExitCode));
            return File.ReadAllBytes(frames + "frame_00000.png");
        }

        byte[] apart = Frame("apart", model, "--lora-high", one + ":0.5", "--lora-low", two, "--lora-low", one + ":-0.25");
        Assert.Equal(Frame("files", merged), apart);
        Assert.NotEqual(Frame("swapped", model, "--lora-low", one + ":0.5", "--lora-high", two, "--lora-high", one + ":-0.25"), apart);
        CommandRun single = CommandRun.Of(models.Generate(Path.Combine(folder, "a.gif"), "--lora-high", one));
        Assert.Contains("a model of one transformer", Assert.Single(single.Errors));
    }

    [Theory]
    [InlineData(WeightFormat.Float)]
    [InlineData(WeightFormat.Int8)]
    public void Merge_writes_a_file_of_the_bases_variant(WeightFormat weights)
    {
        string folder = models.NewFolder(), output = Path.Combine(folder, "out.safetensors"),
            baseModel = models.Transformer(AttentionKind.Sla, weights);
        CommandRun run = CommandRun.Of("merge", baseModel, output, "--lora", Write(folder, false));
        Assert.Equal(("", 0), (string.Concat(run.Errors), run.ExitCode));
        Assert.Contains("1 tensors changed", run.Out);
        using ICheckpoint before = Checkpoint.Open(baseModel), after = Checkpoint.Open(output);
        Assert.Equal(before.Tensors.Values.Select(t => $"{t.Name} {t}").Order(), after.Tensors.Values.Select(t => $"{t.Name} {t}").Order());
        string changed = weights == WeightFormat.Int8 ? "blocks.0.ffn.0.int8_weight" : "blocks.0.ffn.0.weight";
        using torch.Tensor a = before.Read(changed), b = after.Read(changed);
        Assert.False(a.Equals(b));
    }

    [Theory]
    [InlineData("--lora-high", 1.0)]
    [InlineData("--lora-low", 3.0)]
    public void Merge_takes_the_half_of_the_expert_that_the_base_is(string option, double change)
    {
        string folder = models.NewFolder(), output = Path.Combine(folder, "out.safetensors"),
            both = Path.Combine(folder, "both.safetensors"), baseModel = models.Transformer(AttentionKind.Sla, WeightFormat.Float);
        const string Bias = "blocks.0.ffn.0.bias";
        using var scope = torch.NewDisposeScope();
        SafetensorsWriter.Write(both,
        [
            TensorSource.From("transformer.blocks.0.ffn.0.diff_b", torch.ones(256)),
            TensorSource.From("transformer_2.blocks.0.ffn.0.diff_b", torch.full(256, 3.0f)),
        ]);
        Assert.Matches("model +LoRA of two experts\n", CommandRun.Of("inspect", both).Out);
        CommandRun run = CommandRun.Of("merge", baseModel, output, option, both);
        Assert.Equal(("", 0), (string.Concat(run.Errors), run.ExitCode));
        using (ICheckpoint before = Checkpoint.Open(baseModel), after = Checkpoint.Open(output))
            Assert.True(torch.allclose(before.Read(Bias) + change, after.Read(Bias)));
        CommandRun unsaid = CommandRun.Of("merge", baseModel, Path.Combine(folder, "unsaid.safetensors"), "--lora", both);
        Assert.Contains("--lora-high or --lora-low", Assert.Single(unsaid.Errors));
        Assert.False(File.Exists(Path.Combine(folder, "unsaid.safetensors")));
        Assert.Contains("--lora-high or --lora-low",
            Assert.Single(CommandRun.Of(models.Generate(Path.Combine(folder, "a.gif"), "--lora", both)).Errors));
    }

    [Fact]
    public void Inspect_tells_a_LoRA()
    {
        CommandRun run = CommandRun.Of("inspect", Write(models.NewFolder(), true));
        Assert.Equal(0, run.ExitCode);
        Assert.Matches("model +step-distillation LoRA\n", run.Out);
        Assert.Matches("ranks +2\n", run.Out);
        Assert.Matches("fits +no published model\n", run.Out);
    }

    [Fact]
    public void A_distillation_LoRA_sets_the_sampler()
    {
        string folder = models.NewFolder();
        CommandRun run = CommandRun.Of("generate", "a red circle", "--model", models.Folder, "--device", "cpu", "--size", "32x32",
            "--frames", "5", "--seed", "7",
            "-o", Path.Combine(folder, "a.gif"), "--lora", Write(folder, true));
        CommandRun plain = CommandRun.Of("generate", "a red circle", "--model", models.Folder, "--device", "cpu", "--size", "32x32",
            "--frames", "5", "--seed", "7",
            "-o", Path.Combine(folder, "b.gif"), "--lora", Write(folder, true), "--sampler", "euler", "--steps", "4", "--shift", "5",
            "--guidance", "1");
        Assert.Equal(("", 0, 0), (string.Concat(plain.Errors), plain.ExitCode, run.ExitCode));
        Assert.Equal(File.ReadAllBytes(Path.Combine(folder, "b.gif")), File.ReadAllBytes(Path.Combine(folder, "a.gif")));
    }

    [Fact]
    public void A_LoRA_of_another_model_ends_the_command_before_any_work()
    {
        string folder = models.NewFolder(), path = Path.Combine(folder, "other.safetensors");
        using var scope = torch.NewDisposeScope();
        SafetensorsWriter.Write(path, [TensorSource.From("blocks.0.ffn.0.diff_b", torch.ones(7))]);
        CommandRun run = CommandRun.Of(models.Generate(Path.Combine(folder, "a.gif"), "--lora", path));
        Assert.Contains("a LoRA of a model of other sizes", Assert.Single(run.Errors));
        Assert.False(File.Exists(Path.Combine(folder, "a.gif")));
        Assert.Contains("does not exist",
            Assert.Single(CommandRun.Of(models.Generate(Path.Combine(folder, "a.gif"), "--lora", Path.Combine(folder, "none"))).Errors));
    }

    // Of the small model: one layer changed, and one tensor that it does not have.
    private static string Write(string folder, bool distillation, string name = "style", double factor = 1)
    {
        using var scope = torch.NewDisposeScope();
        string path = Path.Combine(folder, name + ".safetensors");
        SafetensorsWriter.Write(path,
        [
            TensorSource.From("diffusion_model.blocks.0.ffn.0.lora_down.weight", torch.ones(2, 128) * factor),
            TensorSource.From("diffusion_model.blocks.0.ffn.0.lora_up.weight", torch.ones(256, 2)),
            TensorSource.From(distillation ? "diffusion_model.blocks.0.ffn.0.diff_b" : "diffusion_model.img_emb.proj.1.diff_b",
                torch.ones(256)),
        ]);
        return path;
    }
}
