using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
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
    private readonly Dictionary<GenerationStage, double> _paces = [];

    /// <summary>Puts a pipeline together; it owns the components.</summary>
    /// <param name="components">The models.</param>
    /// <exception cref="CheckpointException">The models do not belong together.</exception>
    public WanPipeline(WanComponents components)
    {
        components.Check();
        _components = components;
    }

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
        ISampler sampler = Check(request);
        var plan = new GenerationPlan(_components, request, sampler);
        var clock = new GenerationClock(plan, request.Count, progress, _paces);
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        try
        {
            (Tensor embedding, Tensor? negative) = EncodeText(request, clock, cancellationToken);
            Tensor? condition = request.StartImage is { } image ? EncodeImage(image, request.Frames, clock, cancellationToken) : null;
            for (int video = 0; video < request.Count; video++)
            {
                using var perVideo = NewDisposeScope();
                clock.Video = video;
                ulong seed = unchecked(request.Seed + (ulong)video);
                Tensor latents = Denoise(request, sampler, seed, embedding, negative, condition, clock, cancellationToken);
                Decode(latents, request.Frames, video, seed, receiver, clock, cancellationToken);
            }
            clock.Learn();
            return clock.Times;
        }
        finally
        {
            _components.TextEncoder.Release();
            foreach (ModelSlot<WanModel> expert in _components.Experts) expert.Release();
            _components.Vae.Release();
        }
    }

    /// <summary>What <see cref="Run"/> checks before it does anything.</summary>
    /// <param name="request">A request.</param>
    /// <returns>Its sampler.</returns>
    /// <exception cref="InvalidRequestException">The request cannot be met by these models.</exception>
    public ISampler Check(PipelineRequest request)
    {
        int grid = _components.VaeConfig.SpatialFactor * WanConfig.PatchSize, chunk = _components.VaeConfig.TemporalFactor;
        if (string.IsNullOrWhiteSpace(request.Prompt))
            throw new InvalidRequestException("prompt", "The prompt is empty; say what the video shows.");
        foreach ((string name, int size) in new[] { ("width", request.Width), ("height", request.Height) })
            if (size < grid || size % grid != 0 || size > 8192)
                throw new InvalidRequestException(name, $"The {name} is {size} pixels; it must be a multiple of {grid} from {grid} to 8192.");
        if (request.Frames < 1 || request.Frames % chunk != 1 || request.Frames > 1025)
        {
            int near = Math.Clamp((request.Frames - 1) / chunk * chunk + 1, 1, 1025);
            throw new InvalidRequestException("frames",
                $"The number of frames is {request.Frames}; it must be {chunk}k + 1, from 1 to 1025: {near} is the nearest below.");
        }
        if (request.Count is < 1 or > 1000)
            throw new InvalidRequestException("count", $"The number of videos is {request.Count}; give 1 to 1000.");
        request.GuidanceScale.Check(_components.Experts.Count);
        bool takesImage = _components.TransformerConfig.IsImageToVideo;
        if (takesImage && request.StartImage is null)
            throw new InvalidRequestException("image", $"{_components.Name} turns an image into a video; give a start image.");
        if (!takesImage && request.StartImage is not null)
            throw new InvalidRequestException("image", $"{_components.Name} generates from text alone; leave the start image out, or use an image-to-video model.");
        if (request.StartImage is { } image && !image.shape.SequenceEqual([3L, request.Height, request.Width]))
            throw new ArgumentException($"The start image has the shape [{string.Join(", ", image.shape)}], not [3, {request.Height}, {request.Width}].");
        return request.Sampler.Create();
    }

    /// <inheritdoc/>
    public void Dispose() => _components.Dispose();

    private (Tensor Embedding, Tensor? Negative) EncodeText(PipelineRequest request, GenerationClock clock, CancellationToken cancellationToken)
    {
        ITextEncoder encoder = Load(_components.TextEncoder, clock.Plan.LoadTextEncoder, clock, cancellationToken);
        using IDisposable timing = clock.Begin(GenerationStage.EncodingText, 1, clock.Plan.EncodeText);
        Tensor both = PromptEncoding.Encode(request.GuidanceScale.IsNone ? [request.Prompt] : [request.Prompt, request.NegativePrompt],
            _components.Tokenizer, encoder, _components.Device, cancellationToken);
        _components.TextEncoder.Release();
        clock.Report(1);
        return (both.narrow(0, 0, 1), both.shape[0] == 1 ? null : both.narrow(0, 1, 1));
    }

    private Tensor EncodeImage(Tensor image, int frames, GenerationClock clock, CancellationToken cancellationToken)
    {
        WanVae vae = Load(_components.Vae, clock.Plan.LoadVae, clock, cancellationToken);
        using IDisposable timing = clock.Begin(GenerationStage.EncodingImage, 1, clock.Plan.EncodeImage);
        Tensor condition = ImageCondition.Encode(vae, image, frames, _components.Device, cancellationToken);
        _components.Vae.Release();
        clock.Report(1);
        return condition;
    }

    private Tensor Denoise(
        PipelineRequest request, ISampler sampler, ulong seed, Tensor embedding, Tensor? negative, Tensor? condition,
        GenerationClock clock, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        LoadExperts(clock, cancellationToken);
        using IDisposable timing = clock.Begin(GenerationStage.Denoising, sampler.Timesteps.Count, clock.Plan.Denoise);
        using var denoiser = new Denoiser(_components.Experts, _components.Boundary, embedding, negative, request.GuidanceScale, condition,
            slot => Load(slot, clock.Plan.LoadExpert, clock, cancellationToken));
        VaeConfig vae = _components.VaeConfig;
        var noise = new PhiloxNoise(seed);
        Tensor start = noise.Normal(1, vae.ZDim, (request.Frames - 1) / vae.TemporalFactor + 1,
            request.Height / vae.SpatialFactor, request.Width / vae.SpatialFactor).to(_components.Device);
        return DenoisingLoop.Run(sampler, start, denoiser.Velocity, noise, clock.Steps(), cancellationToken).MoveToOuterDisposeScope();
    }

    // Those that stay in memory are all loaded before the first step, so that the switch between them moves nothing; of others,
    // only the first: the next one is loaded when it takes its place.
    private void LoadExperts(GenerationClock clock, CancellationToken cancellationToken)
    {
        IReadOnlyList<ModelSlot<WanModel>> experts = _components.Experts;
        foreach (int expert in clock.Plan.Experts)
            if (expert == clock.Plan.Experts[0] || experts[expert].KeepsLoaded) Load(experts[expert], clock.Plan.LoadExpert, clock, cancellationToken);
    }

    private void Decode(
        Tensor latents, int frames, int video, ulong seed, IVideoReceiver receiver, GenerationClock clock, CancellationToken cancellationToken)
    {
        WanVae vae = Load(_components.Vae, clock.Plan.LoadVae, clock, cancellationToken);
        using IDisposable timing = clock.Begin(GenerationStage.Decoding, frames, clock.Plan.Decode);
        receiver.Begin(video, seed);
        int done = 0;
        foreach (Tensor chunk in vae.DecodeChunks(latents, cancellationToken))
            using (chunk)
            {
                cancellationToken.ThrowIfCancellationRequested();
                receiver.Write(chunk);
                done += (int)chunk.shape[2];
                // The last frame counts when its video is complete.
                if (done == frames) receiver.End();
                clock.Report(done);
            }
        _components.Vae.Release();
    }

    private static T Load<T>(ModelSlot<T> slot, double work, GenerationClock clock, CancellationToken cancellationToken)
        where T : class, IDisposable
    {
        if (slot.IsLoaded) return slot.Get(null, cancellationToken);
        using IDisposable timing = clock.Begin(GenerationStage.Loading, 0, work);
        return slot.Get(clock.Tensors(), cancellationToken);
    }
}
