using TurboDiffusion.Models.Clip;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using static TorchSharp.torch;

namespace TurboDiffusion.Pipelines;

/// <summary>The models that make up a pipeline, and their dimensions, which are known before anything is loaded.</summary>
public sealed record WanComponents : IDisposable
{
    /// <summary>The model's name, for messages and results.</summary>
    public required string Name { get; init; }

    /// <summary>Where everything runs.</summary>
    public required Device Device { get; init; }

    /// <summary>Prompt to token ids.</summary>
    public required ITokenizer Tokenizer { get; init; }

    /// <summary>Token ids to embedding.</summary>
    public required ModelSlot<ITextEncoder> TextEncoder { get; init; }

    /// <summary>The text encoder's dimensions.</summary>
    public required UMT5Config TextEncoderConfig { get; init; }

    /// <summary>One transformer, or two: high noise, then low noise.</summary>
    public required IReadOnlyList<ModelSlot<WanModel>> Experts { get; init; }

    /// <summary>The transformers' dimensions.</summary>
    public required WanConfig TransformerConfig { get; init; }

    /// <summary>With two transformers, the noise level in [0, 1] down to which the first serves.</summary>
    public double Boundary { get; init; }

    /// <summary>The video autoencoder.</summary>
    public required ModelSlot<IVideoAutoencoder> Vae { get; init; }

    /// <summary>A tiny autoencoder of the same latents that decodes previews; null: <see cref="Vae"/> does.</summary>
    public ModelSlot<IVideoAutoencoder>? PreviewVae { get; init; }

    /// <summary>Whether a preview shows every frame, as <see cref="Vae"/> is tiny or <see cref="PreviewVae"/> is there.</summary>
    public bool PreviewsEveryFrame { get; init; }

    /// <summary>
    /// What decodes previews: the tiny autoencoder, or the full one where it stays in memory (it is no reason to load that one beside a
    /// transformer which was to be alone); null where there is neither.
    /// </summary>
    public ModelSlot<IVideoAutoencoder>? PreviewDecoder => PreviewVae ?? (Vae.KeepsLoaded ? Vae : null);

    /// <summary>Bytes that decoding may take beside the weights: <see cref="WanVae.DecodeBudget"/>.</summary>
    public long DecodeBudget { get; init; } = WanVae.UsualDecodeBudget;

    /// <summary>The autoencoder's dimensions; of a tiny one, those of a full one with the same latents and about as much work.</summary>
    public required VaeConfig VaeConfig { get; init; }

    /// <summary>The image encoder of a transformer with an image branch (Wan 2.1 image to video); null of others.</summary>
    public ModelSlot<ClipVisionEncoder>? ImageEncoder { get; init; }

    /// <summary>The image encoder's sizes.</summary>
    public ClipConfig? ImageEncoderConfig { get; init; }

    /// <summary>Checks that the models fit together.</summary>
    /// <exception cref="CheckpointException">They do not; the message says which and why.</exception>
    public void Check()
    {
        if (Experts.Count is not (1 or 2))
            throw new ArgumentException($"A pipeline has one or two transformers, not {Experts.Count}.");
        if (TextEncoderConfig.Dim != TransformerConfig.TextDim)
            throw new CheckpointException(Name,
                $"the text encoder gives embeddings of width {TextEncoderConfig.Dim}, the transformer takes {TransformerConfig.TextDim}; "
                    + "use the text encoder that belongs to it");
        if (Tokenizer.VocabularySize > TextEncoderConfig.Vocab)
            throw new CheckpointException(Name,
                $"the tokenizer has {Tokenizer.VocabularySize} tokens, the text encoder {TextEncoderConfig.Vocab}; use the tokenizer that "
                    + "belongs to it");
        if (VaeConfig.ZDim != TransformerConfig.OutDim)
            throw new CheckpointException(Name,
                $"the VAE has latents of {VaeConfig.ZDim} channels, the transformer gives {TransformerConfig.OutDim}; use the VAE that "
                    + "belongs to it");
        if (TransformerConfig.HasImageBranch && ImageEncoderConfig is null)
            throw new CheckpointException(Name,
                "the transformer has an image branch and needs the CLIP image encoder that belongs to it "
                    + "(models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth); name its file as \"imageEncoder\" in model.json, or with "
                    + "--image-encoder");
        if (TransformerConfig.HasImageBranch && ImageEncoderConfig is { } encoder
            && (encoder.Dim != TransformerConfig.ImageDim
                || TransformerConfig.ImagePositions > 0 && TransformerConfig.ImagePositions != 2 * encoder.Tokens))
            throw new CheckpointException(Name,
                $"the image encoder gives {encoder.Tokens} tokens of width {encoder.Dim}, the transformer takes "
                    + (TransformerConfig.ImagePositions > 0 ? $"{TransformerConfig.ImagePositions / 2} " : "")
                    + $"of width {TransformerConfig.ImageDim}; use the image encoder that belongs to it");
        if (TransformerConfig.InDim != TransformerConfig.OutDim && TransformerConfig.InDim != 4 + 2 * TransformerConfig.OutDim)
            throw new CheckpointException(Name,
                $"the transformer takes {TransformerConfig.InDim} channels and gives {TransformerConfig.OutDim}; only text-to-video "
                    + $"({TransformerConfig.OutDim}) and image-to-video ({4 + 2 * TransformerConfig.OutDim}) inputs are known");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        TextEncoder.Dispose();
        foreach (ModelSlot<WanModel> expert in Experts) expert.Dispose();
        Vae.Dispose();
        ImageEncoder?.Dispose();
        PreviewVae?.Dispose();
    }
}
