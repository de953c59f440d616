using TurboDiffusion.Evaluation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Generation.Text;
using TurboDiffusion.Models;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Samples;

/// <summary>Clips of held-out scenes, by models in training.</summary>
internal static class SceneGenerator
{
    /// <summary>What a VAE leaves of the real clips.</summary>
    public static Func<IReadOnlyList<EvaluationPrompt>, CancellationToken, byte[][]> Reconstructions(WanVae vae, Device device,
        HeldOutClips clips) => (prompts, token) =>
    {
        using var scope = NewDisposeScope();
        ClipSize size = clips.Size;
        Tensor video = stack(clips.Render(prompts).Select(clip => tensor(clip, [size.Frames, size.Height, size.Width, 3], uint8)))
            .to(device);
        video = VideoFrames.ToModelInput(video).permute(0, 4, 1, 2, 3).contiguous();
        Tensor frames = VideoFrames.FromModelOutput(vae.Decode(vae.Encode(video, token), token));
        return [.. Enumerable.Range(0, prompts.Count).Select(i => frames[i].contiguous().data<byte>().ToArray())];
    };

    /// <summary>Clips of the prompts.</summary>
    /// <param name="model">The transformer in training.</param>
    /// <param name="text">The text encoder, in training or not.</param>
    /// <param name="options">What else makes a clip.</param>
    /// <param name="distilled">Whether the model is one of few steps, for the defaults of sampler and guidance.</param>
    /// <param name="vae">The VAE; the caller's.</param>
    /// <param name="device">Where all are.</param>
    /// <exception cref="CheckpointException">The models do not belong together.</exception>
    public static Func<IReadOnlyList<EvaluationPrompt>, CancellationToken, byte[][]> Generations(
        WanModel model, UMT5Encoder text, TransformerScoreOptions options, bool distilled, WanVae vae, Device device)
    {
        ModelSpec spec = ModelSpec.Of(model.Config, experts: 1);
        if (distilled) spec = spec.Distilled();
        var components = new WanComponents
        {
            Name = "the model in training",
            Device = device,
            Tokenizer = SentencePieceTextTokenizer.Open(options.Tokenizer, options.TextLength),
            TextEncoder = new((_, _) => text, keepLoaded: true),
            TextEncoderConfig = text.Config,
            Experts = [new((_, _) => model, keepLoaded: true)],
            TransformerConfig = model.Config,
            Vae = new((_, _) => vae, keepLoaded: true),
            VaeConfig = vae.Config,
        };
        components.Check();
        var generator = new BatchGenerator(components, new ClipSettings
        {
            Width = options.Width,
            Height = options.Height,
            Frames = options.Frames,
            Sampler = spec.Sampling.Of(options.Sampler, options.Steps, options.SigmaMax, shift: options.Shift),
            GuidanceScale = options.Guidance ?? spec.Sampling.GuidanceScale,
        });
        return (prompts, token) => generator.Generate([.. prompts.Select(p => p.Caption)], [.. prompts.Select(p => p.Seed)], token);
    }
}
