using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Keys;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Tests.Checkpoints;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

/// <summary>
/// A small model of each architecture in every layout that it is published in: a folder of Wan's authors, one of diffusers, ComfyUI's
/// single files, GGUF files. All are the same model, and give the same video.
/// </summary>
public class LayoutTests(Models models)
{
    [Theory]
    [InlineData("Wan2.1-T2V-1.3B", "")]
    [InlineData("Wan2.2-T2V-A14B", "")]
    [InlineData("Wan2.1-I2V-14B-480P", "--image")]
    [InlineData("Wan2.1-FLF2V-14B-720P", "--image --end-image")]
    [InlineData("Wan2.2-I2V-A14B", "--image")]
    [InlineData("Wan2.2-TI2V-5B", "--image")]
    public void A_model_gives_the_same_video_in_every_layout(string like, string images)
    {
        string folder = models.NewFolder(), frames = Path.Combine(folder, "frames") + Path.DirectorySeparatorChar;
        ModelSpec spec = ModelSpec.Find(like);
        ModelFiles small = new SmallModel { Like = spec, Dim = 128, HeadDim = 128, Layers = 1 }.Write(Path.Combine(folder, "small"));
        CommandRun.Of("generate", "a red circle", "--model", models.Folder, "--device", "cpu", "--size", "32x32", "--frames", "1",
            "--steps", "1", "-o", frames);
        string picture = frames + "frame_00000.png";
        string[] given = [.. images.Split(' ', StringSplitOptions.RemoveEmptyEntries).SelectMany(option => new[] { option, picture })];

        byte[]? expected = null;
        foreach ((string layout, Action<ModelFiles, string> write) in ((string, Action<ModelFiles, string>)[])
                 [("official", Official), ("published", Published), ("diffusers", Diffusers), ("comfyui", ComfyUI), ("gguf", Gguf)])
        {
            // The video carries the model's name, which is that of its folder.
            string model = Directory.CreateDirectory(Path.Combine(folder, layout, "model")).FullName;
            string video = Path.Combine(folder, layout, "video.gif");
            using (torch.NewDisposeScope()) write(small, model);
            CommandRun run = CommandRun.Of(["generate", "a red circle", "--model", model, "--device", "cpu", "--size", "64x32", "--frames",
                "5", "--steps", "1", "--seed", "7", "-o", video, .. given]);
            Assert.Equal((layout, 0, ""), (layout, run.ExitCode, string.Concat(run.Errors)));
            byte[] made = File.ReadAllBytes(video);
            Assert.True(made.AsSpan().SequenceEqual(expected ??= made), $"{layout}: another video");
            CommandRun inspection = CommandRun.Of("inspect", model);
            Assert.Equal((0, false), (inspection.ExitCode, inspection.Out.Contains("problem", StringComparison.Ordinal)));
        }
    }

    private static void Official(ModelFiles small, string folder)
    {
        Transformer(small.Transformer, Named(folder, "high.safetensors"), WanLayouts.Turbo);
        if (small.LowNoiseTransformer is { } low) Transformer(low, Named(folder, "low.safetensors"), WanLayouts.Turbo);
        (small with
        {
            Name = "model", Transformer = "high.safetensors", LowNoiseTransformer = small.LowNoiseTransformer is null ? null
                : "low.safetensors",
            Defaults = null,
        }).Write(folder);
    }

    private static void Published(ModelFiles small, string folder)
    {
        if (small.LowNoiseTransformer is { } low)
        {
            Transformer(small.Transformer, Named(folder, "high_noise_model/diffusion_pytorch_model.safetensors"), WanLayouts.Original);
            Transformer(low, Named(folder, "low_noise_model/diffusion_pytorch_model.safetensors"), WanLayouts.Original);
        }
        else
        {
            Transformer(small.Transformer, Named(folder, "diffusion_pytorch_model.safetensors"), WanLayouts.Original);
        }
        bool is22 = Rules(small.Vae) == VaeLayouts.Wan22;
        File.Copy(small.Vae, Named(folder, is22 ? "Wan2.2_VAE.pth" : "Wan2.1_VAE.pth"));
        File.Copy(small.TextEncoder, Named(folder, "models_t5_umt5-xxl-enc-bf16.pth"));
        File.Copy(small.Tokenizer, Named(folder, "google/umt5-xxl/spiece.model"));
        if (small.ImageEncoder is { } image)
            Write(image, Named(folder, "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"), ClipLayouts.Original);
    }

    private static void Diffusers(ModelFiles small, string folder)
    {
        File.WriteAllText(Named(folder, "model_index.json"), "{}");
        Transformer(small.Transformer, Named(folder, "transformer/diffusion_pytorch_model.safetensors"), WanLayouts.Diffusers);
        if (small.LowNoiseTransformer is { } low)
            Transformer(low, Named(folder, "transformer_2/diffusion_pytorch_model.safetensors"), WanLayouts.Diffusers);
        Write(small.Vae, Named(folder, "vae/diffusion_pytorch_model.safetensors"),
            Rules(small.Vae) == VaeLayouts.Wan22 ? VaeLayouts.Wan22Diffusers : VaeLayouts.Diffusers);
        Write(small.TextEncoder, Named(folder, "text_encoder/model.safetensors"), UMT5Layouts.Transformers);
        File.Copy(small.Tokenizer, Named(folder, "tokenizer/spiece.model"));
        if (small.ImageEncoder is { } image) Write(image, Named(folder, "image_encoder/model.safetensors"), ClipLayouts.Transformers);
    }

    private static void ComfyUI(ModelFiles small, string folder)
    {
        Transformer(small.Transformer, Named(folder, "high.safetensors"), WanLayouts.ComfyUI);
        if (small.LowNoiseTransformer is { } low) Transformer(low, Named(folder, "low.safetensors"), WanLayouts.ComfyUI);
        Write(small.TextEncoder, Named(folder, "umt5.safetensors"), UMT5Layouts.Transformers,
            TensorSource.From("spiece_model", torch.tensor(File.ReadAllBytes(small.Tokenizer))));
        if (small.ImageEncoder is { } image) Write(image, Named(folder, "clip_vision_h.safetensors"), ClipLayouts.Transformers);
        (small with
        {
            Name = "model", Transformer = "high.safetensors", LowNoiseTransformer = small.LowNoiseTransformer is null ? null
                : "low.safetensors",
            TextEncoder = "umt5.safetensors", ImageEncoder = small.ImageEncoder is null ? null : "clip_vision_h.safetensors",
            Defaults = null,
        }).Write(folder);
    }

    private static void Gguf(ModelFiles small, string folder)
    {
        Transformer(small.Transformer, Named(folder, "high.gguf"), WanLayouts.Original);
        if (small.LowNoiseTransformer is { } low) Transformer(low, Named(folder, "low.gguf"), WanLayouts.Original);
        Write(small.TextEncoder, Named(folder, "umt5.gguf"), UMT5Layouts.Gguf);
        (small with
        {
            Name = "model", Transformer = "high.gguf", LowNoiseTransformer = small.LowNoiseTransformer is null ? null : "low.gguf",
            TextEncoder = "umt5.gguf", Defaults = null,
        }).Write(folder);
    }

    // Without the projection of sparse attention, as the originals are.
    private static void Transformer(string source, string target, KeyRuleSet layout)
    {
        ICheckpoint file = Checkpoint.OpenModel(source);
        using ICheckpoint view = layout.Inverse.Apply(
            WanCheckpoint.As(file, WanCheckpoint.ReadConfig(file), AttentionOptions.Dense, WeightFormat.Float));
        Write(target, view);
    }

    private static void Write(string source, string target, KeyRuleSet layout, params TensorSource[] more)
    {
        ICheckpoint file = Checkpoint.OpenModel(source);
        if (layout == ClipLayouts.Transformers) file = new ProjectionsApart(file);
        using ICheckpoint view = layout.Inverse.Apply(file);
        Write(target, view, more);
    }

    private static void Write(string target, ICheckpoint checkpoint, params TensorSource[] more)
    {
        if (Path.GetExtension(target) != ".gguf")
        {
            SafetensorsWriter.Write(target, [.. TensorSource.From(checkpoint), .. more],
                new Dictionary<string, string>(checkpoint.Metadata));
            return;
        }
        var writer = new GgufWriter();
        foreach (TensorInfo info in checkpoint.Tensors.Values)
            writer.Tensor(info.Name, GgufWriter.F32Type, [.. info.Shape],
                GgufWriter.F32(checkpoint.Read(info.Name).data<float>().ToArray()));
        File.WriteAllBytes(target, writer.Bytes());
    }

    private static KeyRuleSet Rules(string path)
    {
        using ICheckpoint file = Checkpoint.Open(path);
        return CheckpointLayout.Detect(file).Rules;
    }

    private static string Named(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return path;
    }

    // An image encoder with q, k and v apart, as all but Wan's authors have them.
    private sealed class ProjectionsApart(ICheckpoint inner) : CheckpointView(inner)
    {
        private const string Joined = ".to_qkv.";

        public override IReadOnlyDictionary<string, TensorInfo> Tensors { get; } = ByName(inner.Tensors.Values.SelectMany(t =>
            t.Name.Contains(Joined, StringComparison.Ordinal)
                ? "qkv".Select(part => t with { Name = t.Name.Replace(Joined, $".{part}.", StringComparison.Ordinal),
                    Shape = [t.Shape[0] / 3, .. t.Shape.Skip(1)] })
                : [t]));

        public override torch.Tensor Read(string name)
        {
            if (Inner.Tensors.ContainsKey(name)) return Inner.Read(name);
            string[] parts = name.Split('.');
            int part = "qkv".IndexOf(parts[^2], StringComparison.Ordinal);
            using var scope = torch.NewDisposeScope();
            return Inner.Read(string.Join('.', [.. parts[..^2], "to_qkv", parts[^1]])).chunk(3, 0)[part].clone().MoveToOuterDisposeScope();
        }
    }
}
