using TurboDiffusion.Models.Clip;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Models;

/// <summary>
/// Everything that is published of a model: its dimensions, and what its authors run it with. The one place of each of these
/// facts; a new model is an entry here.
/// </summary>
/// <remarks>
/// Originals: Wan-Video/Wan2.1, 9737cba, <c>wan/configs</c> and, for steps, shift and guidance, the defaults of <c>generate.py</c>;
/// Wan-Video/Wan2.2, 42bf4cf, <c>wan/configs</c>. Distilled by rCM: thu-ml/TurboDiffusion, aaecff5,
/// <c>turbodiffusion/inference/wan2.1_t2v_infer.py</c> and <c>wan2.2_i2v_infer.py</c>, README.md.
/// </remarks>
public sealed record ModelSpec
{
    /// <summary>Tokens of a text, padding included, that every published model is trained with (<c>text_len</c>).</summary>
    public const int WanTextLength = 512;

    /// <summary>The name of a model of other dimensions than the published ones.</summary>
    public const string Custom = "custom";

    // Of every original of Wan 2.1, distilled to four steps from σ = 80.
    private static readonly SamplingDefaults Wan21 = new()
    {
        Sampler = SamplerKind.UniPc, GuidanceScale = 5, FlowSteps = 50, Shift = 5, RcmSteps = 4, SigmaMax = 80, Ode = false,
    };

    private static readonly VideoSize Size480 = VideoSize.Preset("480p", "16:9"), Size720 = VideoSize.Preset("720p", "16:9");

    /// <summary>The published name, or <see cref="Custom"/>.</summary>
    public required string Name { get; init; }

    /// <summary>The dimensions of the transformer, or of each of two.</summary>
    public required WanConfig Transformer { get; init; }

    /// <summary>
    /// Of two experts, the noise level in (0, 1) down to which the high-noise one serves; null: there is one transformer.
    /// </summary>
    public double? Boundary { get; init; }

    /// <summary>How many transformers share the steps: 1, or 2 (high noise, then low noise).</summary>
    public int Experts => Boundary is null ? 1 : 2;

    /// <summary>The video autoencoder.</summary>
    public VaeConfig Vae { get; init; } = VaeConfig.Wan21;

    /// <summary>The image encoder of a transformer with an image branch; null of others.</summary>
    public ClipConfig? ImageEncoder { get; init; }

    /// <summary>Tokens of a text, padding included.</summary>
    public int TextLength { get; init; } = WanTextLength;

    /// <summary>The sizes it is published for, 16:9; the first is the one that is used where none is asked for.</summary>
    public required IReadOnlyList<VideoSize> Sizes { get; init; }

    /// <summary>The size that is used where none is asked for.</summary>
    public VideoSize Size => Sizes[0];

    /// <summary>Frames of a video.</summary>
    public int Frames { get; init; } = 81;

    /// <summary>Frames per second.</summary>
    public int FramesPerSecond { get; init; } = 16;

    /// <summary>What it is sampled with; as published, what the original is.</summary>
    public required SamplingDefaults Sampling { get; init; }

    /// <summary>How images are brought to the size of its frames; of a model that takes none, of no account.</summary>
    public ImageFit ImageFit { get; init; }

    /// <summary>The share of key blocks that sparse attention keeps.</summary>
    public double TopKRatio { get; init; } = AttentionOptions.DefaultTopKRatio;

    /// <summary>Tokens per query and per key block of sparse attention; null: those of the attention kind.</summary>
    public int? AttentionBlock { get; init; }

    /// <summary>Wan 2.1 text to video, 1.3 billion parameters.</summary>
    /// <remarks>The README of Wan 2.1 likes guidance 6 and a shift of 8 to 12 for it.</remarks>
    public static ModelSpec T2V1_3B { get; } = new()
    {
        Name = "Wan2.1-T2V-1.3B", Transformer = new WanConfig(1536, 8960, 12, 30), Sizes = [Size480], Sampling = Wan21,
    };

    /// <summary>Wan 2.1 text to video, 14 billion parameters.</summary>
    public static ModelSpec T2V14B { get; } = new()
    {
        Name = "Wan2.1-T2V-14B", Transformer = new WanConfig(5120, 13824, 40, 40), Sizes = [Size480, Size720], Sampling = Wan21,
    };

    /// <summary>Wan 2.2 text to video: two experts, each of the dimensions of <see cref="T2V14B"/>.</summary>
    public static ModelSpec T2VA14B { get; } = new()
    {
        Name = "Wan2.2-T2V-A14B", Transformer = T2V14B.Transformer, Boundary = 0.875, Sizes = [Size720, Size480],
        Sampling = Wan21 with { FlowSteps = 40, Shift = 12, GuidanceScale = new GuidanceScale(LowNoise: 3, HighNoise: 4) },
    };

    /// <summary>Wan 2.2 image to video: two experts of 14 billion parameters. Distilled, it follows the deterministic flow.</summary>
    public static ModelSpec I2VA14B { get; } = new()
    {
        Name = "Wan2.2-I2V-A14B", Transformer = new WanConfig(5120, 13824, 40, 40, inDim: 36), Boundary = 0.9, Sizes = [Size720, Size480],
        ImageFit = ImageFit.Bicubic,
        Sampling = Wan21 with { FlowSteps = 40, GuidanceScale = 3.5, SigmaMax = 200, Ode = true },
    };

    /// <summary>
    /// Wan 2.2 text to video, and image to video where one is given, with an autoencoder of its own; 5 billion parameters.
    /// </summary>
    public static ModelSpec TI2V5B { get; } = new()
    {
        Name = "Wan2.2-TI2V-5B", Transformer = new WanConfig(3072, 14336, 24, 30, inDim: 48, outDim: 48), Vae = VaeConfig.Wan22,
        Sizes = [new VideoSize(1280, 704)], Frames = 121, FramesPerSecond = 24, ImageFit = ImageFit.LanczosCrop,
        Sampling = Wan21,
    };

    /// <summary>Wan 2.1 image to video for 480p: as <see cref="T2V14B"/>, with an image branch.</summary>
    /// <remarks>It and <see cref="I2V14B720"/> have one architecture; <c>generate.py</c> gives 480p the smaller shift.</remarks>
    public static ModelSpec I2V14B480 { get; } = new()
    {
        Name = "Wan2.1-I2V-14B-480P",
        Transformer = new WanConfig(5120, 13824, 40, 40, inDim: 36, imageDim: ClipConfig.ViTH14.Dim),
        ImageEncoder = ClipConfig.ViTH14, Sizes = [Size480], ImageFit = ImageFit.Bicubic,
        Sampling = Wan21 with { FlowSteps = 40, Shift = 3 },
    };

    /// <summary>Wan 2.1 image to video for 720p.</summary>
    public static ModelSpec I2V14B720 { get; } = I2V14B480 with
    {
        Name = "Wan2.1-I2V-14B-720P", Sizes = [Size720], Sampling = Wan21 with { FlowSteps = 40 },
    };

    /// <summary>Wan 2.1 video between a first and a last frame.</summary>
    public static ModelSpec FLF2V14B { get; } = I2V14B720 with
    {
        Name = "Wan2.1-FLF2V-14B-720P",
        Transformer = new WanConfig(5120, 13824, 40, 40, inDim: 36, imageDim: ClipConfig.ViTH14.Dim,
            imagePositions: 2 * ClipConfig.ViTH14.Tokens),
        Sampling = Wan21 with { Shift = 16 },
    };

    /// <summary>Every published model that can be run.</summary>
    public static IReadOnlyList<ModelSpec> All { get; } =
        [T2V1_3B, T2V14B, I2V14B480, I2V14B720, FLF2V14B, T2VA14B, I2VA14B, TI2V5B];

    /// <summary>The published model of a name, in any case.</summary>
    /// <param name="name">A published name.</param>
    /// <exception cref="InvalidRequestException">There is none of that name.</exception>
    public static ModelSpec Find(string name) =>
        All.FirstOrDefault(s => s.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new InvalidRequestException("preset",
            $"There is no preset '{name}'; the presets are {string.Join(", ", All.Select(s => s.Name))}.");

    /// <summary>The published models whose transformers have these dimensions; a file alone does not tell them apart.</summary>
    /// <param name="transformer">Dimensions.</param>
    public static IReadOnlyList<ModelSpec> Candidates(WanConfig transformer) => [.. All.Where(s => s.Transformer == transformer)];

    /// <summary>
    /// What a model is: the published one of these dimensions and experts; or, for dimensions of one's own, <see cref="Custom"/>,
    /// with the settings of the published one that does the same.
    /// </summary>
    /// <param name="transformer">The dimensions of its transformers.</param>
    /// <param name="experts">How many it has: 1 or 2.</param>
    public static ModelSpec Of(WanConfig transformer, int experts)
    {
        if (Candidates(transformer).FirstOrDefault(s => s.Experts == experts) is { } published) return published;
        ModelSpec like = transformer.OutDim == TI2V5B.Transformer.OutDim ? TI2V5B
            : transformer.NeedsEndImage ? FLF2V14B
            : transformer.HasImageBranch ? I2V14B480
            : transformer.IsImageToVideo ? I2VA14B
            : experts == 2 ? T2VA14B
            : T2V1_3B;
        return like with { Name = Custom, Transformer = transformer, Boundary = experts == 2 ? like.Boundary : null };
    }

    /// <summary>The model as rCM distils it: in few steps, and without guidance, which is distilled into it.</summary>
    public ModelSpec Distilled() => this with
    {
        Sampling = Sampling with { Sampler = SamplerKind.Rcm, GuidanceScale = GuidanceScale.None },
        // TurboDiffusion's script, where it takes images.
        ImageFit = ImageFit == ImageFit.Bicubic ? ImageFit.Bilinear : ImageFit,
    };

    /// <summary>
    /// The model with a step-distillation LoRA (lightx2v) merged into it: 4 Euler steps at the times 1000, 750, 500 and 250 of a
    /// schedule shifted by 5, without guidance. Of two experts, each then serves two steps.
    /// </summary>
    /// <remarks>ModelTC/LightX2V, f8aee98b, <c>configs/wan22</c>, the 4-step configurations.</remarks>
    public ModelSpec StepDistilled() => this with
    {
        Sampling = Sampling with { Sampler = SamplerKind.Euler, FlowSteps = 4, Shift = 5, GuidanceScale = GuidanceScale.None, Ode = false },
    };
}
