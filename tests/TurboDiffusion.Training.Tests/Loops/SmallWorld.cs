using TorchSharp;
using TorchSharp.Modules;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Networks;

namespace TurboDiffusion.Training.Tests.Loops;

/// <summary>What a model takes of images, beside the latents and in its cross-attention.</summary>
public enum ImageInput
{
    None,

    /// <summary>Channels beside the latents: Wan 2.2 image to video.</summary>
    Channels,

    /// <summary>Those and the tokens of an image encoder: Wan 2.1.</summary>
    Branch,

    /// <summary>The same, with the tokens of a first and a last frame.</summary>
    BothFrames,
}

/// <summary>Real architectures at a size that trains in seconds, and data that they can learn: one colour per caption.</summary>
public static class SmallWorld
{
    public const int Frames = 2, Height = 8, Width = 8, TextLength = 3, TextDim = 8, ImageTokens = 5, ImageDim = 12;

    /// <summary>32 tokens in blocks of 16: sparse attention at ratio 0.5 keeps one key block of two.</summary>
    public static AttentionOptions Sparse { get; } = AttentionOptions.Sla(0.5, 16, 16);

    public static WanModel Transformer(
        AttentionOptions? attention = null, ulong seed = 1, bool trained = false, ImageInput image = ImageInput.None)
    {
        var model = new WanModel(new WanConfig(dim: 64, ffnDim: 96, numHeads: 4, numLayers: 1, inDim: image == ImageInput.None ? 16 : 36,
            textDim: TextDim, freqDim: 16, imageDim: image >= ImageInput.Branch ? ImageDim : 0,
            imagePositions: image == ImageInput.BothFrames ? 2 * ImageTokens : 0),
            attention ?? AttentionOptions.Dense, WeightFormat.Float, Placement.Cpu);
        var random = new PhiloxNoise(seed);
        WeightInitialization.Initialize(model, random);
        if (!trained) return model;
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        // Sharp attention, open gates and a head that is not zero stand for a trained model.
        foreach ((string name, Parameter parameter) in model.named_parameters())
            if (name == "head.head.weight") parameter.copy_(random.Normal(parameter.shape) * 0.1);
            else if (name.Contains("self_attn.norm_", StringComparison.Ordinal)) parameter.fill_(2);
            else if (name.EndsWith("modulation", StringComparison.Ordinal)) parameter.mul_(5);
        return model;
    }

    public static WanModel Copy(WanModel model, AttentionOptions? attention = null)
    {
        var copy = new WanModel(model.Config, attention ?? model.Attention, WeightFormat.Float, Placement.Cpu);
        WeightInitialization.Initialize(copy, new PhiloxNoise(1));
        Weights.Copy(model, copy);
        return copy;
    }

    /// <summary>The same colours, each with the images that such a model takes.</summary>
    public static ILatentData Latents(ImageInput image)
    {
        ILatentData latents = Latents();
        return image == ImageInput.None ? latents : new WithImages(latents, image);
    }

    public static ILatentData Latents()
    {
        var random = new PhiloxNoise(99);
        torch.Tensor latents = random.Normal(4, 16, 1, 1, 1).expand(4, 16, Frames, Height, Width).contiguous(),
            text = random.Normal(4, TextLength, TextDim);
        return new MemoryLatents(latents.DetachFromDisposeScope(), text.DetachFromDisposeScope(),
            torch.zeros(TextLength, TextDim).DetachFromDisposeScope());
    }

    // The mask and, for latents, the clip's own first frame; tokens that tell its colour.
    private sealed class WithImages(ILatentData inner, ImageInput kind) : ILatentData
    {
        public LatentBatch Draw(int count, IRandomSource random)
        {
            LatentBatch batch = inner.Draw(count, random);
            torch.Tensor condition = torch.zeros([count, 20, Frames, Height, Width]);
            condition.narrow(1, 0, 4).narrow(2, 0, 1).fill_(1);
            condition.narrow(1, 4, 16).narrow(2, 0, 1).copy_(batch.Latents.narrow(2, 0, 1));
            torch.Tensor? tokens = kind < ImageInput.Branch ? null : batch.Latents.narrow(1, 0, ImageDim).mean([2, 3, 4]).unsqueeze(1)
                .expand(-1, kind == ImageInput.BothFrames ? 2 * ImageTokens : ImageTokens, -1).contiguous();
            return new LatentBatch(batch.Latents, batch.Condition with { Image = condition, ImageTokens = tokens },
                batch.Negative with { Image = condition, ImageTokens = tokens });
        }
    }

    public static WanVae Vae()
    {
        var vae = new WanVae(VaeConfig.WithDim(8), Placement.Cpu);
        WeightInitialization.Initialize(vae, new PhiloxNoise(1));
        return vae;
    }

    /// <summary>A bright square that moves over a dark ground.</summary>
    public static IClipData Clips()
    {
        torch.Tensor video = torch.full([1, 3, 9, 24, 24], -0.8f);
        for (int t = 0; t < 9; t++)
            video[torch.TensorIndex.Colon, torch.TensorIndex.Colon, t, torch.TensorIndex.Slice(8, 16), torch.TensorIndex.Slice(t, t + 8)] =
                torch.tensor(0.7f);
        return new MemoryClips(video.DetachFromDisposeScope(), 5, 16, 16);
    }
}
