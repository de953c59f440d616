using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Pipelines;

/// <summary>
/// From a prompt (and an image) to frames: text encoder, denoising loop, VAE decoder. Every stage loads its model when it
/// begins. One generation at a time; not thread-safe.
/// </summary>
public sealed class WanPipeline : IDisposable
{
    private readonly WanComponents _components;
    private readonly TimeProvider _time;
    private readonly Dictionary<GenerationStage, double> _paces = [];
    private readonly EmbeddingCache _texts = new(EmbeddingCache.UsualBytes);

    /// <summary>Puts a pipeline together; it owns the components.</summary>
    /// <param name="components">The models.</param>
    /// <exception cref="CheckpointException">The models do not belong together.</exception>
    public WanPipeline(WanComponents components)
        : this(components, TimeProvider.System)
    {
    }

    /// <summary>As the public form, with a clock for the times of its stages.</summary>
    internal WanPipeline(WanComponents components, TimeProvider time)
    {
        components.Check();
        (_components, _time) = (components, time);
        LoadsAhead = components.Device.type == TorchSharp.DeviceType.CUDA;
    }

    /// <summary>
    /// Whether models that stay in memory are read while the text is encoded: on a GPU, where that leaves the CPU to the files.
    /// </summary>
    internal bool LoadsAhead { get; init; }

    /// <summary>The models.</summary>
    public WanComponents Components => _components;

    /// <summary>Generates the videos of a request, frame by frame.</summary>
    /// <param name="request">What to generate.</param>
    /// <param name="receiver">Gets the frames as they are decoded.</param>
    /// <param name="progress">Told of the whole generation, about a hundred times; called from this thread.</param>
    /// <param name="cancellationToken">Checked at every transformer block and VAE layer; memory is freed at once.</param>
    /// <returns>The seconds that each stage took.</returns>
    /// <exception cref="InvalidRequestException">The request cannot be met by these models.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public IReadOnlyDictionary<GenerationStage, TimeSpan> Run(
        PipelineRequest request, IVideoReceiver receiver, IProgress<GenerationProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ClipStages stages = Check(request);
        var plan = new GenerationPlan(_components, request, stages.Sampler);
        var clock = new GenerationClock(plan, request.Count, progress, _paces, _time);
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        try
        {
            LoadAhead(plan, cancellationToken);
            PromptEmbeddings text = EncodeText(stages, request, clock, cancellationToken);
            EncodedImages? images = request.StartImage is { } image
                ? EncodeImages(stages, image, request, clock, cancellationToken) : null;
            for (int video = 0; video < request.Count; video++)
            {
                using var perVideo = NewDisposeScope();
                clock.Video = video;
                ulong seed = request.Seed + (ulong)video;
                if (request.CausalFrames is { } group)
                {
                    Stream(stages, seed, text, group, request.Frames, video, receiver, clock, cancellationToken);
                    continue;
                }
                Tensor latents = Denoise(stages, seed, text, images, receiver, clock, cancellationToken);
                Load(_components.Vae, clock.Plan.LoadVae, clock, cancellationToken);
                Write(stages.Decode(latents, cancellationToken), request.Frames, video, seed, receiver, clock, cancellationToken);
            }
            clock.Learn();
            return clock.Times;
        }
        finally
        {
            foreach (ModelSlot<WanModel> expert in _components.Experts) expert.GiveUpAhead();
            _components.Vae.GiveUpAhead();
            _components.TextEncoder.Release();
            foreach (ModelSlot<WanModel> expert in _components.Experts) expert.Release();
            _components.Vae.Release();
            _components.ImageEncoder?.Release();
        }
    }

    /// <summary>What <see cref="Run"/> checks before it does anything.</summary>
    /// <param name="request">A request.</param>
    /// <returns>Its stages.</returns>
    /// <exception cref="InvalidRequestException">The request cannot be met by these models.</exception>
    public ClipStages Check(PipelineRequest request)
    {
        if (string.IsNullOrWhiteSpace(request.Prompt))
            throw new InvalidRequestException("prompt", "The prompt is empty; say what the video shows.");
        var stages = new ClipStages(_components, request);
        if (request.Count is < 1 or > 1000)
            throw new InvalidRequestException("count", $"The number of videos is {request.Count}; give 1 to 1000.");
        if (request.Seed > ulong.MaxValue - (ulong)(request.Count - 1))
            throw new InvalidRequestException("seed",
                $"The seeds of {request.Count} videos from {request.Seed} would go beyond {ulong.MaxValue}; give a smaller first seed.");
        if (_components.TransformerConfig.IsImageToVideo && request.StartImage is null)
            throw new InvalidRequestException("image", $"{_components.Name} turns an image into a video; give a start image.");
        if (!_components.TransformerConfig.TakesImage && request.StartImage is not null)
            throw new InvalidRequestException("image",
                $"{_components.Name} generates from text alone; leave the start image out, or use an image-to-video model.");
        CheckCausal(request);
        if (request.EndImage is not null && !_components.TransformerConfig.TakesEndImage)
            throw new InvalidRequestException("end image",
                $"{_components.Name} cannot be given the last frame; leave the end image out, or use Wan2.1-FLF2V or Wan2.2-I2V-A14B.");
        if (request.EndImage is not null && request.StartImage is null)
            throw new InvalidRequestException("image", "The end image is given, and no start image; give both.");
        if (_components.TransformerConfig.NeedsEndImage && request.EndImage is null)
            throw new InvalidRequestException("end image",
                $"{_components.Name} makes the video between two images; give an end image too.");
        if (request.EndImage is not null && request.Frames <= _components.VaeConfig.TemporalFactor)
            throw new InvalidRequestException("frames",
                $"A video between two images has {request.Frames} frames; give at least {_components.VaeConfig.TemporalFactor + 1}.");
        foreach (Tensor given in new[] { request.StartImage, request.EndImage }.OfType<Tensor>())
            if (!given.shape.SequenceEqual([3L, request.Height, request.Width]))
                throw new ArgumentException($"An image has the shape [{string.Join(", ", given.shape)}], not [3, {request.Height}, "
                    + $"{request.Width}].");
        return stages;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _texts.Dispose();
        _components.Dispose();
    }

    private void CheckCausal(PipelineRequest request)
    {
        if (request.CausalFrames is not { } group) return;
        string? reason = group is < 1 or > 1024 ? $"{group} latent frames cannot be a group; give 1 to 1024, 3 for most models"
            : _components.Experts.Count > 1 || _components.TransformerConfig.IsImageToVideo
                ? $"{_components.Name} is not a text-to-video model of one transformer"
            : request.StartImage is not null ? "a start image is given; leave it out"
            : !request.GuidanceScale.IsNone ? "guidance is asked for; distilled models have none (guidance 1)"
            : null;
        if (reason is not null)
            throw new InvalidRequestException("causal", $"The video cannot be generated causally: {reason}.");
    }

    /// <summary>Frees the embeddings of earlier prompts.</summary>
    internal void ForgetTexts() => _texts.Dispose();

    // One model after the other, beside the text encoder: the readers of one take most of what a disk or the page cache gives.
    private void LoadAhead(GenerationPlan plan, CancellationToken cancellationToken)
    {
        if (!LoadsAhead) return;
        Task last = Task.CompletedTask;
        foreach (int expert in plan.Experts) last = _components.Experts[expert].LoadAhead(last, cancellationToken);
        _components.Vae.LoadAhead(last, cancellationToken);
    }

    private PromptEmbeddings EncodeText(
        ClipStages stages, PipelineRequest request, GenerationClock clock, CancellationToken cancellationToken)
    {
        string prompt = request.Prompt;
        string? negative = request.GuidanceScale.IsNone ? null : request.NegativePrompt;
        if (_texts.Find(prompt, negative) is { } known)
        {
            using IDisposable at = clock.Begin(GenerationStage.EncodingText, 1, clock.Plan.EncodeText);
            clock.Report(1);
            return known;
        }
        Load(_components.TextEncoder, clock.Plan.LoadTextEncoder, clock, cancellationToken);
        using IDisposable timing = clock.Begin(GenerationStage.EncodingText, 1, clock.Plan.EncodeText);
        PromptEmbeddings text = stages.EncodeText([prompt], cancellationToken);
        Devices.Synchronize(_components.Device);
        _texts.Add(prompt, negative, text);
        clock.Report(1);
        return text;
    }

    private EncodedImages EncodeImages(
        ClipStages stages, Tensor image, PipelineRequest request, GenerationClock clock, CancellationToken cancellationToken)
    {
        Load(_components.Vae, clock.Plan.LoadVae, clock, cancellationToken);
        if (_components.ImageEncoder is { KeepsLoaded: true } encoder)
            Load(encoder, clock.Plan.LoadImageEncoder, clock, cancellationToken);
        using IDisposable timing = clock.Begin(GenerationStage.EncodingImage, 1, clock.Plan.EncodeImage);
        EncodedImages images = stages.EncodeImages(image, request.EndImage, request.SeenImages, cancellationToken);
        Devices.Synchronize(_components.Device);
        clock.Report(1);
        return images;
    }

    private Tensor Denoise(
        ClipStages stages, ulong seed, PromptEmbeddings text, EncodedImages? images, IVideoReceiver receiver, GenerationClock clock,
        CancellationToken cancellationToken)
    {
        LoadExperts(clock, cancellationToken);
        using IDisposable timing = clock.Begin(GenerationStage.Denoising, stages.Sampler.Timesteps.Count, clock.Plan.Denoise);
        Tensor latents = stages.Denoise(text, [seed], images, slot => Load(slot, clock.Plan.LoadExpert, clock, cancellationToken),
            clock.Steps(), cancellationToken, Previews(stages.Sampler.Timesteps.Count, receiver, clock, cancellationToken));
        // The time of one stage would be counted as another's.
        Devices.Synchronize(latents.device);
        return latents;
    }

    // A tiny autoencoder decodes every frame at little cost. The full one is asked for the first, which does not depend on the others.
    private EstimateObserver? Previews(int steps, IVideoReceiver receiver, GenerationClock clock, CancellationToken cancellationToken)
    {
        if (_components.PreviewDecoder is not { } slot) return null;
        return (step, latents) =>
        {
            Tensor shown = _components.PreviewsEveryFrame ? latents : latents.narrow(2, 0, 1);
            int frames = (int)_components.VaeConfig.Frames(shown.size(2));
            receiver.Preview(new ClipPreview(clock.Video, step, steps, latents, frames, () =>
            {
                if (slot == _components.Vae) Load(slot, clock.Plan.LoadVae, clock, cancellationToken);
                return slot.Get(null, cancellationToken).DecodeChunks(shown, cancellationToken);
            }));
        };
    }

    // Those that stay in memory are all loaded before the first step, so that the switch between them moves nothing; of others,
    // only the first: the next one is loaded when it takes its place.
    private void LoadExperts(GenerationClock clock, CancellationToken cancellationToken)
    {
        IReadOnlyList<ModelSlot<WanModel>> experts = _components.Experts;
        foreach (int expert in clock.Plan.Experts)
            if (expert == clock.Plan.Experts[0] || experts[expert].KeepsLoaded)
                Load(experts[expert], clock.Plan.LoadExpert, clock, cancellationToken);
    }

    // Denoising and decoding in turns: the frames of a group are written before the next one is begun.
    private void Stream(
        ClipStages stages, ulong seed, PromptEmbeddings text, int framesPerGroup, int frames, int video, IVideoReceiver receiver,
        GenerationClock clock, CancellationToken cancellationToken)
    {
        LoadExperts(clock, cancellationToken);
        Load(_components.Vae, clock.Plan.LoadVae, clock, cancellationToken);
        int steps = stages.Sampler.Timesteps.Count;
        long latentFrames = _components.VaeConfig.LatentFrames(frames);
        double work = clock.Plan.Denoise / ((latentFrames + framesPerGroup - 1) / framesPerGroup);
        IEnumerable<Tensor> groups = stages.DenoiseCausally(text, [seed], framesPerGroup,
            () => clock.Begin(GenerationStage.Denoising, steps, work), clock.Steps(), cancellationToken);
        Write(stages.DecodeGroups(groups, cancellationToken), frames, video, seed, receiver, clock, cancellationToken);
    }

    private static void Write(
        IEnumerable<Tensor> chunks, int frames, int video, ulong seed, IVideoReceiver receiver, GenerationClock clock,
        CancellationToken cancellationToken)
    {
        using IDisposable timing = clock.Begin(GenerationStage.Decoding, frames, clock.Plan.Decode);
        receiver.Begin(video, seed);
        int done = 0;
        foreach (Tensor chunk in chunks)
            using (chunk)
            {
                cancellationToken.ThrowIfCancellationRequested();
                receiver.Write(chunk);
                done += (int)chunk.size(2);
                // The last frame counts when its video is complete.
                if (done == frames) receiver.End();
                clock.Report(done);
            }
    }

    private static void Load<T>(ModelSlot<T> slot, double work, GenerationClock clock, CancellationToken cancellationToken)
        where T : class, IDisposable
    {
        if (slot.IsLoaded) return;
        using IDisposable timing = clock.Begin(GenerationStage.Loading, 0, work);
        slot.Get(clock.Tensors(), cancellationToken);
    }
}
