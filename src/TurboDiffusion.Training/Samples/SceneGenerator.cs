using TurboDiffusion.Evaluation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Pipelines;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Samples;

/// <summary>Clips of held-out scenes, by models in training.</summary>
internal static class SceneGenerator
{
    /// <summary>What a VAE leaves of the real clips.</summary>
    public static Func<IReadOnlyList<EvaluationPrompt>, CancellationToken, byte[][]> Reconstructions(WanVae vae, Device device, HeldOutClips clips) => (prompts, token) =>
    {
        using var scope = NewDisposeScope();
        ClipSize size = clips.Size;
        Tensor video = stack(clips.Render(prompts).Select(clip => tensor(clip, [size.Frames, size.Height, size.Width, 3], uint8)))
            .to(device).to(float32).div_(127.5).sub_(1).permute(0, 4, 1, 2, 3).contiguous();
        Tensor frames = VideoFrames.FromModelOutput(vae.Decode(vae.Encode(video, token), token));
        return [.. Enumerable.Range(0, prompts.Count).Select(i => frames[i].contiguous().data<byte>().ToArray())];
    };

    /// <summary>Clips of the prompts.</summary>
    public static Func<IReadOnlyList<EvaluationPrompt>, CancellationToken, byte[][]> Generations(WanComponents components, PipelineRequest settings)
    {
        var generator = new BatchGenerator(components, settings);
        return (prompts, token) => generator.Generate([.. prompts.Select(p => p.Caption)], [.. prompts.Select(p => p.Seed)], token);
    }
}
