using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Pipelines;

/// <summary>The estimated work (<see cref="WorkEstimate"/>) of one generation: of each of its parts, and of its stages in all.</summary>
internal sealed class GenerationPlan
{
    private readonly Dictionary<GenerationStage, double> _stages;

    /// <summary>Plans a generation as the pipeline stands: what is loaded already costs nothing.</summary>
    public GenerationPlan(WanComponents components, PipelineRequest request, ISampler sampler)
    {
        VaeConfig vae = components.VaeConfig;
        int prompts = request.GuidanceScale.IsNone ? 1 : 2;
        double textWeights = WorkEstimate.Parameters(components.TextEncoderConfig);
        // One that does not stay is read block by block while it encodes.
        bool streamed = !components.TextEncoder.KeepsLoaded;
        LoadTextEncoder = streamed ? 0 : WorkEstimate.Loading(textWeights, components.Device);
        EncodeText = WorkEstimate.EncodingText(components.TextEncoderConfig, prompts * components.Tokenizer.MaxLength)
            + (streamed ? WorkEstimate.Loading(textWeights, components.Device) : 0);
        LoadExpert = WorkEstimate.Loading(WorkEstimate.Parameters(components.TransformerConfig), components.Device);
        LoadVae = WorkEstimate.Loading(WorkEstimate.Parameters(vae), components.Device);
        int images = new[] { request.StartImage, request.EndImage }.Count(i => i is not null);
        EncodeImage = request.Frames * WorkEstimate.Frame(vae, request.Width, request.Height, vae.NumResBlocks);
        if (components.ImageEncoderConfig is { } encoder)
        {
            // One that does not stay is loaded within the stage.
            double loading = WorkEstimate.Loading(WorkEstimate.Parameters(encoder), components.Device);
            bool stays = components.ImageEncoder!.KeepsLoaded;
            LoadImageEncoder = stays ? loading : 0;
            EncodeImage += images * WorkEstimate.EncodingImage(encoder) + (stays ? 0 : loading);
        }
        long tokens = Patches.Count(vae.LatentShape(1, request.Frames, request.Height, request.Width));
        Denoise = sampler.Timesteps.Count * prompts * WorkEstimate.Denoising(components.TransformerConfig, tokens);
        Decode = request.Frames * WorkEstimate.Frame(vae, request.Width, request.Height, vae.NumResBlocks + 1);

        bool image = images > 0;
        Experts = [.. sampler.Timesteps.Select(t => Denoiser.ExpertFor(t / 1000, components.Boundary, components.Experts.Count))
            .Distinct()];
        double loadingAll = Loads(components.TextEncoder, 1) * LoadTextEncoder
            + Loads(components.Vae, request.Count + (image ? 1 : 0)) * LoadVae
            + (image && components.ImageEncoder is { } imageEncoder ? Loads(imageEncoder, 1) * LoadImageEncoder : 0)
            + Experts.Sum(e => Loads(components.Experts[e], request.Count)) * LoadExpert;
        _stages = new Dictionary<GenerationStage, double>
        {
            [GenerationStage.Loading] = loadingAll,
            [GenerationStage.EncodingText] = EncodeText,
            [GenerationStage.EncodingImage] = image ? EncodeImage : 0,
            [GenerationStage.Denoising] = request.Count * Denoise,
            [GenerationStage.Decoding] = request.Count * Decode,
        };
        Total = _stages.Values.Sum();
    }

    /// <summary>The experts that the sampler's noise levels need, in order.</summary>
    public IReadOnlyList<int> Experts { get; }

    /// <summary>Loading the text encoder.</summary>
    public double LoadTextEncoder { get; }

    /// <summary>Encoding the prompts.</summary>
    public double EncodeText { get; }

    /// <summary>Loading the VAE.</summary>
    public double LoadVae { get; }

    /// <summary>Loading the image encoder.</summary>
    public double LoadImageEncoder { get; }

    /// <summary>Encoding the start image, and the end image.</summary>
    public double EncodeImage { get; }

    /// <summary>Loading one transformer.</summary>
    public double LoadExpert { get; }

    /// <summary>Denoising one video.</summary>
    public double Denoise { get; }

    /// <summary>Decoding one video.</summary>
    public double Decode { get; }

    /// <summary>All stages.</summary>
    public double Total { get; }

    /// <summary>All of one stage.</summary>
    public double Of(GenerationStage stage) => _stages[stage];

    // What stays is loaded once, what does not at each use.
    private static int Loads<T>(ModelSlot<T> slot, int uses)
        where T : class, IDisposable => slot.KeepsLoaded ? slot.IsLoaded ? 0 : 1 : uses;
}
