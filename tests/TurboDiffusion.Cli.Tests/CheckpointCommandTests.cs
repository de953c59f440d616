using System.Text.Json.Nodes;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class CheckpointCommandTests(Models models)
{
    [Theory]
    [InlineData(AttentionKind.Dense, WeightFormat.Float, "original")]
    [InlineData(AttentionKind.Sla, WeightFormat.Float, "sla")]
    [InlineData(AttentionKind.Sla, WeightFormat.Int8, "sla-quant")]
    public void Inspect_tells_the_variant(AttentionKind attention, WeightFormat weights, string variant)
    {
        string path = models.Transformer(attention, weights);
        CommandRun run = CommandRun.Of("inspect", path, "--json");
        Assert.Equal(0, run.ExitCode);
        JsonNode report = Assert.Single(JsonNode.Parse(run.Out)!.AsArray())!;
        Assert.Equal(("transformer", "custom", variant), ((string)report["kind"]!, (string)report["preset"]!, (string)report["variant"]!));
        Assert.Equal((128, 2), ((int)report["dimensions"]!["width"]!, (int)report["dimensions"]!["heads"]!));
        Assert.Empty(report["problems"]!.AsArray());
    }

    [Fact]
    public void Inspect_goes_on_after_a_file_that_cannot_be_read()
    {
        CommandRun run = CommandRun.Of("inspect", "/nowhere.pth", models.Files.Vae, "/dev/zero");
        Assert.Equal(1, run.ExitCode);
        Assert.Equal(2, run.Errors.Length);
        Assert.Contains("VAE", run.Out);
        CommandRun json = CommandRun.Of("inspect", "--json", "/nowhere.pth", models.Files.Vae);
        Assert.Equal(1, json.ExitCode);
        Assert.Equal(2, System.Text.Json.Nodes.JsonNode.Parse(json.Out)!.AsArray().Count);
    }

    [Fact]
    public void Inspect_knows_every_preset_from_its_header_alone()
    {
        foreach (ModelSpec spec in ModelSpec.All)
        {
            string path = Path.Combine(models.NewFolder(), "header.safetensors");
            using var model = new WanModel(spec.Transformer, AttentionOptions.Dense, WeightFormat.Float, Placement.Meta);
            using var described = new RandomCheckpoint(model, 0, torch.ScalarType.BFloat16);
            HeaderFile.Write(path, described);
            CommandRun run = CommandRun.Of("inspect", path);
            Assert.Equal(0, run.ExitCode);
            Assert.Matches($"model +{ModelSpec.Candidates(spec.Transformer)[0].Name} transformer\n", run.Out);
            Assert.Matches("dtypes +BFloat16", run.Out);
        }
    }

    [Fact]
    public void Convert_reads_a_training_checkpoint()
    {
        string folder = models.NewFolder(), pth = Path.Combine(folder, "train.pth"), output = Path.Combine(folder, "out.safetensors");
        using (ICheckpoint source = Checkpoint.Open(models.Files.Transformer)) PthFile.Write(pth, source);
        CommandRun run = CommandRun.Of("convert", pth, output);
        Assert.Equal(("", 0), (string.Concat(run.Errors), run.ExitCode));
        using ICheckpoint expected = Checkpoint.Open(models.Files.Transformer), found = Checkpoint.Open(output);
        Assert.Equal(expected.Tensors.Keys.Order(), found.Tensors.Keys.Order());
        foreach (string name in expected.Tensors.Keys)
        {
            using torch.Tensor a = expected.Read(name), b = found.Read(name);
            Assert.True(a.Equals(b), name);
        }
    }

    [Fact]
    public void Inspect_shows_every_part_and_lists_tensors()
    {
        CommandRun run = CommandRun.Of("inspect", models.Files.Vae, models.Files.TextEncoder, "--tensors");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("custom VAE", run.Out);
        Assert.Contains("custom text encoder", run.Out);
        Assert.Matches(@"token_embedding\.weight +Float32 \[", run.Out);
    }

    [Fact]
    public void Inspect_ends_with_1_for_what_is_no_model()
    {
        string path = Path.Combine(models.NewFolder(), "other.safetensors");
        byte[] header = "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}  "u8.ToArray();
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)header.Length), .. header, 0, 0, 0, 0]);
        CommandRun run = CommandRun.Of("inspect", path);
        Assert.Equal(1, run.ExitCode);
        Assert.Matches(@"problem +holds 1 tensors", run.Out);
    }

    [Fact]
    public void A_quantized_transformer_is_what_inspect_says_and_generates()
    {
        string folder = models.NewFolder(), quantized = Path.Combine(folder, "int8.safetensors");
        CommandRun run = CommandRun.Of("quantize", models.Files.Transformer, quantized);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("custom transformer, sla-quant", run.Out);
        CommandRun video = CommandRun.Of(models.Generate(Path.Combine(folder, "v.mp4"), "--transformer", quantized, "--json"));
        Assert.Equal("int8", (string)JsonNode.Parse(video.Out)!["model"]!["weights"]!);
        Assert.Contains("int8 weights already",
            Assert.Single(CommandRun.Of("quantize", quantized, Path.Combine(folder, "x.safetensors")).Errors));
    }

    [Fact]
    public void A_quantized_text_encoder_is_what_inspect_says_and_generates_what_quantizing_at_load_does()
    {
        string folder = models.NewFolder(), quantized = Path.Combine(folder, "text.safetensors"),
            other = Path.Combine(folder, "x.safetensors");
        Assert.Contains("custom text encoder, int8", CommandRun.Of("quantize", models.Files.TextEncoder, quantized).Out);
        Assert.Equal("int8", (string)JsonNode.Parse(CommandRun.Of("inspect", quantized, "--json").Out)![0]!["variant"]!);
        string[] videos = [Path.Combine(folder, "a.mp4"), Path.Combine(folder, "b.mp4")];
        foreach (CommandRun run in new[]
                 {
                     CommandRun.Of(models.Generate(videos[0], "--text-encoder", quantized, "--json")),
                     CommandRun.Of(models.Generate(videos[1], "--text-encoder-weights", "int8", "--json")),
                 })
            Assert.Equal("int8", (string)JsonNode.Parse(run.Out)!["model"]!["textEncoderWeights"]!);
        Assert.Equal(File.ReadAllBytes(videos[0]), File.ReadAllBytes(videos[1]));

        Assert.Contains("int8 weights already", Assert.Single(CommandRun.Of("quantize", quantized, other).Errors));
        Assert.Contains("is a VAE, of which there is no int8 form",
            Assert.Single(CommandRun.Of("quantize", models.Files.Vae, other).Errors));
        // No other layout has names for it.
        CommandRun diffusers = CommandRun.Of("convert", quantized, other, "--layout", "diffusers");
        Assert.Contains("has int8 weights, for which the diffusers layout has no names", Assert.Single(diffusers.Errors));
        Assert.False(File.Exists(other));
    }

    [Fact]
    public void Convert_goes_to_another_layout_and_back_without_a_change()
    {
        string folder = models.NewFolder(), original = models.Transformer(AttentionKind.Dense, WeightFormat.Float);
        foreach (string layout in new[] { "diffusers", "original", "comfyui" })
        {
            string other = Path.Combine(folder, $"{layout}.safetensors"), back = Path.Combine(folder, $"{layout}-back.safetensors");
            Assert.Equal(0, CommandRun.Of("convert", original, other, "--layout", layout).ExitCode);
            Assert.NotEqual(File.ReadAllBytes(original), File.ReadAllBytes(other));
            Assert.Equal(0, CommandRun.Of("convert", other, back).ExitCode);
            Assert.Equal(File.ReadAllBytes(original), File.ReadAllBytes(back));
        }
    }

    [Theory]
    [InlineData("Wan2.1-T2V-1.3B", "decoder.up_blocks.2.upsamplers.0.resample.1.weight")]
    [InlineData("Wan2.2-TI2V-5B", "decoder.up_blocks.2.upsampler.resample.1.weight")]
    public void Convert_writes_each_VAE_as_diffusers_does(string like, string name)
    {
        string folder = models.NewFolder(), other = Path.Combine(folder, "other.safetensors"),
            back = Path.Combine(folder, "back.safetensors");
        string vae = new SmallModel { Like = ModelSpec.Find(like) }.Write(Path.Combine(folder, "model")).Vae;
        Assert.Equal(0, CommandRun.Of("convert", vae, other, "--layout", "diffusers").ExitCode);
        using (ICheckpoint file = Checkpoint.Open(other)) Assert.Contains(name, file.Tensors.Keys);
        Assert.Equal(0, CommandRun.Of("convert", other, back).ExitCode);
        Assert.Equal(File.ReadAllBytes(vae), File.ReadAllBytes(back));
    }

    [Fact]
    public void Convert_changes_the_type_but_not_that_of_int8_scales()
    {
        string folder = models.NewFolder(), output = Path.Combine(folder, "half.safetensors");
        Assert.Equal(0, CommandRun.Of("convert", models.Transformer(AttentionKind.Sla, WeightFormat.Int8), output, "--dtype",
            "bfloat16").ExitCode);
        string tensors = CommandRun.Of("inspect", output, "--tensors").Out;
        Assert.Matches(@"ffn\.0\.scale +Float32", tensors);
        Assert.Matches(@"ffn\.0\.int8_weight +Int8", tensors);
        Assert.Matches(@"ffn\.0\.bias +BFloat16", tensors);
    }

    [Fact]
    public void An_existing_output_is_kept_unless_overwriting_is_asked_for()
    {
        string output = Path.Combine(models.NewFolder(), "out.safetensors");
        File.WriteAllText(output, "precious");
        CommandRun refused = CommandRun.Of("convert", models.Files.Vae, output);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("--overwrite", Assert.Single(refused.Errors));
        Assert.Equal("precious", File.ReadAllText(output));
        Assert.Equal(0, CommandRun.Of("convert", models.Files.Vae, output, "--overwrite").ExitCode);
        Assert.Equal(0, CommandRun.Of("inspect", output).ExitCode);
        Assert.Single(Directory.GetFileSystemEntries(Path.GetDirectoryName(output)!));
    }

    [Fact]
    public void Merge_of_a_tuning_from_the_base_itself_is_the_tuned_model()
    {
        string folder = models.NewFolder(), plain = models.Transformer(AttentionKind.Dense, WeightFormat.Float),
            merged = Path.Combine(folder, "merged.safetensors");
        CommandRun run = CommandRun.Of("merge", plain, models.Files.Transformer, plain, merged, "--weight", "0.5");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("custom transformer, sla", run.Out);
        Assert.Contains("4 carried over", run.Out);
        Assert.Equal(1, CommandRun.Of("merge", plain, plain, plain, merged).ExitCode);
    }

    [Fact]
    public void New_makes_whole_small_models_and_single_parts()
    {
        string folder = models.NewFolder(), whole = Path.Combine(folder, "whole"), part = Path.Combine(folder, "part.safetensors");
        Assert.Equal(0, CommandRun.Of("new", "small", whole, "--variant", "sla-quant", "--dim", "64", "--seed", "3").ExitCode);
        Assert.Equal(["model.json", "spiece.model", "text_encoder.safetensors", "tiny_vae.safetensors", "transformer.safetensors",
            "vae.safetensors"],
            Directory.GetFiles(whole).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(1, CommandRun.Of("new", "small", whole).ExitCode);
        CommandRun run = CommandRun.Of("new", "small", part, "--part", "transformer", "--variant", "original", "--dtype", "bfloat16",
            "--layers", "1");
        Assert.Contains("custom transformer, original", run.Out);
        Assert.Contains("BFloat16", CommandRun.Of("inspect", part).Out);
        Assert.Contains("custom VAE", CommandRun.Of("new", "small", Path.Combine(folder, "vae.safetensors"), "--part", "vae").Out);
    }

    [Theory]
    [InlineData("small", "custom tiny VAE")]
    [InlineData("Wan2.1-T2V-1.3B", "taew2_1 tiny VAE")]
    [InlineData("Wan2.2-TI2V-5B", "taew2_2 tiny VAE")]
    public void New_makes_tiny_autoencoders_of_a_models_latents(string model, string made)
    {
        string tiny = Path.Combine(models.NewFolder(), "tiny.safetensors");
        Assert.Contains(made, CommandRun.Of("new", model, tiny, "--part", "tiny-vae", "--dtype", "bfloat16").Out);
        Assert.Equal(0, CommandRun.Of("inspect", tiny).ExitCode);
        Assert.Contains("--variant", Assert.Single(CommandRun.Of("new", model, tiny, "--part", "tiny-vae", "--variant", "sla").Errors));
    }
}
