using TorchSharp;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Clip;
using TurboDiffusion.Models.TinyVae;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Planning;

/// <summary>
/// What a model takes in memory as it is run: the bytes of its parts, and the dimensions that its working memory follows from.
/// </summary>
public sealed record ModelFootprint
{
    /// <summary>The model's name.</summary>
    public required string Name { get; init; }

    /// <summary>The dimensions of its transformers.</summary>
    public required WanConfig Transformer { get; init; }

    /// <summary>Bytes of each transformer.</summary>
    public required IReadOnlyList<long> ExpertBytes { get; init; }

    /// <summary>Bytes of one block of a transformer, of which there are as many as it has layers.</summary>
    public required long BlockBytes { get; init; }

    /// <summary>The autoencoder; of a tiny one, a full one of about as much work.</summary>
    public required VaeConfig Vae { get; init; }

    /// <summary>Bytes of the autoencoder.</summary>
    public required long VaeBytes { get; init; }

    /// <summary>The element type that the autoencoder computes in.</summary>
    public required torch.ScalarType VaeDtype { get; init; }

    /// <summary>Bytes of the image encoder; 0 where the model has none.</summary>
    public long ImageEncoderBytes { get; init; }

    /// <summary>The text encoder.</summary>
    public required UMT5Config TextEncoder { get; init; }

    /// <summary>Bytes of the text encoder.</summary>
    public required long TextEncoderBytes { get; init; }

    /// <summary>Bytes of one block of the text encoder, as which it is read where it does not stay.</summary>
    public required long TextBlockBytes { get; init; }

    /// <summary>The number format of the text encoder's linear layers.</summary>
    public WeightFormat TextEncoderWeights { get; init; }

    /// <summary>Whether the text encoder is read block by block in every residency, as one that is too large to stay.</summary>
    public bool StreamsText { get; init; }

    /// <summary>Tokens of a text, padding included.</summary>
    public required int TextLength { get; init; }

    /// <summary>The self-attention.</summary>
    public required AttentionOptions Attention { get; init; }

    /// <summary>The number format of the blocks' linear layers.</summary>
    public required WeightFormat Weights { get; init; }

    /// <summary>The element type of float weights and hidden states, the autoencoder's aside.</summary>
    public required torch.ScalarType Dtype { get; init; }

    /// <summary>Whether it runs on a GPU.</summary>
    public bool OnGpu { get; init; }

    /// <summary>
    /// Whether the autoencoder's convolutions read frames where they lie, and not windows of them: those of a full one on Hopper, in
    /// bfloat16.
    /// </summary>
    public bool DecodesInFrames { get; init; }

    /// <summary>Whether the transformer's blocks run as fused int8 kernels: on a GPU, SageSLA with int8 weights.</summary>
    public bool RunsFused => OnGpu && Attention.Kind == AttentionKind.SageSla && Weights == WeightFormat.Int8;

    /// <summary>Bytes of all blocks of one transformer: what a step brings to the device where they are swapped.</summary>
    public long SwappedBytes => Transformer.NumLayers * BlockBytes;

    /// <summary>The footprint of a published model, counted on the modules themselves without memory.</summary>
    /// <param name="spec">The model.</param>
    /// <param name="attention">The self-attention.</param>
    /// <param name="weights">The number format.</param>
    /// <param name="onGpu">
    /// Whether it runs on a GPU (bfloat16, kernels) or on this machine's CPU (float32, the autoencoder as it convolves best).
    /// </param>
    /// <param name="tinyVae">Whether a tiny autoencoder decodes.</param>
    /// <param name="textEncoderWeights">The number format of the text encoder's linear layers.</param>
    public static ModelFootprint Of(
        ModelSpec spec, AttentionOptions attention, WeightFormat weights, bool onGpu, bool tinyVae = false,
        WeightFormat textEncoderWeights = WeightFormat.Float)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(attention);
        var placement = new Placement(torch.META, onGpu ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32);
        Placement ofVae = placement with { Dtype = onGpu ? placement.Dtype : Devices.ConvolutionDtype(torch.CPU) };
        long transformer = Bytes(new WanModel(spec.Transformer, attention, weights, placement));
        var tiny = TinyVaeConfig.Of(spec.Vae);
        return new ModelFootprint
        {
            Name = spec.Name,
            Transformer = spec.Transformer,
            ExpertBytes = [.. Enumerable.Repeat(transformer, spec.Experts)],
            BlockBytes = WanModel.BlockBytes(spec.Transformer, attention, weights, placement.Dtype),
            Vae = tinyVae ? tiny.Equivalent : spec.Vae,
            VaeBytes = tinyVae ? Bytes(new TinyVideoAutoencoder(tiny, ofVae)) : Bytes(new WanVae(spec.Vae, ofVae)),
            VaeDtype = ofVae.Dtype,
            ImageEncoderBytes = spec.ImageEncoder is { } encoder ? Bytes(new ClipVisionEncoder(encoder, placement)) : 0,
            TextEncoder = UMT5Config.Xxl,
            TextEncoderBytes = Bytes(new UMT5Encoder(UMT5Config.Xxl, placement, textEncoderWeights)),
            TextBlockBytes = UMT5Encoder.BlockBytes(UMT5Config.Xxl, textEncoderWeights, placement.Dtype),
            TextEncoderWeights = textEncoderWeights,
            StreamsText = !onGpu,
            TextLength = spec.TextLength,
            Attention = attention,
            Weights = weights,
            Dtype = placement.Dtype,
            OnGpu = onGpu,
        };
    }

    /// <summary>Bytes that decoding may take beside the weights: <see cref="WanVae.DecodeBudget"/>, which is for bfloat16.</summary>
    /// <param name="residency">Which weights stay.</param>
    /// <param name="elementSize">Bytes of a value.</param>
    internal static long DecodeBudget(Residency residency, int elementSize) =>
        (residency == Residency.Resident ? WanVae.UsualDecodeBudget : WanVae.LowDecodeBudget) * elementSize / 2;

    /// <summary>The bytes of a module's tensors; the module is disposed.</summary>
    internal static long Bytes(torch.nn.Module module)
    {
        using (module) return module.state_dict().Values.Sum(t => t.numel() * ScalarTypes.Bytes(t.dtype));
    }
}
