using System.Diagnostics;
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
    /// <param name="progress">Told at every step, frame and loaded tensor; called from this thread.</param>
    /// <param name="cancellationToken">Checked at every transformer block and VAE layer; memory is freed at once.</param>
    /// <returns>The seconds that each stage took.</returns>
    /// <exception cref="InvalidRequestException">The request cannot be met by these models.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public IReadOnlyDictionary<GenerationStage, TimeSpan> Run(
        PipelineRequest request, IVideoReceiver receiver, IProgress<GenerationProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ISampler sampler = Check(request);
        var stages = new StageClock(request.Count, progress);
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        try
        {
            (Tensor embedding, Tensor? negative) = EncodeText(request, stages, cancellationToken);
            Tensor? condition = request.StartImage is { } image ? EncodeImage(image, request.Frames, stages, cancellationToken) : null;
            for (int video = 0; video < request.Count; video++)
            {
                using var perVideo = NewDisposeScope();
                stages.Video = video;
                ulong seed = unchecked(request.Seed + (ulong)video);
                Tensor latents = Denoise(request, sampler, seed, embedding, negative, condition, stages, cancellationToken);
                Decode(latents, request.Frames, video, seed, receiver, stages, cancellationToken);
            }
            return stages.Times;
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

    private (Tensor Embedding, Tensor? Negative) EncodeText(PipelineRequest request, StageClock stages, CancellationToken cancellationToken)
    {
        ITextEncoder encoder = Load(_components.TextEncoder, stages, cancellationToken);
        using IDisposable timing = stages.Begin(GenerationStage.EncodingText, 1);
        Tensor both = PromptEncoding.Encode(request.GuidanceScale.IsNone ? [request.Prompt] : [request.Prompt, request.NegativePrompt],
            _components.Tokenizer, encoder, _components.Device, cancellationToken);
        _components.TextEncoder.Release();
        stages.Report(1);
        return (both.narrow(0, 0, 1), both.shape[0] == 1 ? null : both.narrow(0, 1, 1));
    }

    private Tensor EncodeImage(Tensor image, int frames, StageClock stages, CancellationToken cancellationToken)
    {
        WanVae vae = Load(_components.Vae, stages, cancellationToken);
        using IDisposable timing = stages.Begin(GenerationStage.EncodingImage, 1);
        Tensor condition = ImageCondition.Encode(vae, image, frames, _components.Device, cancellationToken);
        _components.Vae.Release();
        stages.Report(1);
        return condition;
    }

    private Tensor Denoise(
        PipelineRequest request, ISampler sampler, ulong seed, Tensor embedding, Tensor? negative, Tensor? condition,
        StageClock stages, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        LoadExperts(sampler, stages, cancellationToken);
        using IDisposable timing = stages.Begin(GenerationStage.Denoising, sampler.Timesteps.Count);
        using var denoiser = new Denoiser(_components.Experts, _components.Boundary, embedding, negative, request.GuidanceScale, condition,
            slot => Load(slot, stages, cancellationToken));
        VaeConfig vae = _components.VaeConfig;
        var noise = new PhiloxNoise(seed);
        Tensor start = noise.Normal(1, vae.ZDim, (request.Frames - 1) / vae.TemporalFactor + 1,
            request.Height / vae.SpatialFactor, request.Width / vae.SpatialFactor).to(_components.Device);
        return DenoisingLoop.Run(sampler, start, denoiser.Velocity, noise, stages.Steps(), cancellationToken).MoveToOuterDisposeScope();
    }

    // Those that stay in memory are all loaded before the first step, so that the switch between them moves nothing; of others,
    // only the first: the next one is loaded when it takes its place.
    private void LoadExperts(ISampler sampler, StageClock stages, CancellationToken cancellationToken)
    {
        IReadOnlyList<ModelSlot<WanModel>> experts = _components.Experts;
        int[] needed = [.. sampler.Timesteps.Select(t => Denoiser.ExpertFor(t / 1000, _components.Boundary, experts.Count)).Distinct()];
        foreach (int expert in needed)
            if (expert == needed[0] || experts[expert].KeepsLoaded) Load(experts[expert], stages, cancellationToken);
    }

    private void Decode(
        Tensor latents, int frames, int video, ulong seed, IVideoReceiver receiver, StageClock stages, CancellationToken cancellationToken)
    {
        WanVae vae = Load(_components.Vae, stages, cancellationToken);
        using IDisposable timing = stages.Begin(GenerationStage.Decoding, frames);
        receiver.Begin(video, seed);
        int done = 0;
        foreach (Tensor chunk in vae.DecodeChunks(latents, cancellationToken))
            using (chunk)
            {
                cancellationToken.ThrowIfCancellationRequested();
                receiver.Write(chunk);
                stages.Report(done += (int)chunk.shape[2]);
            }
        receiver.End();
        _components.Vae.Release();
    }

    private static T Load<T>(ModelSlot<T> slot, StageClock stages, CancellationToken cancellationToken)
        where T : class, IDisposable
    {
        if (slot.IsLoaded) return slot.Get(null, cancellationToken);
        using IDisposable timing = stages.Begin(GenerationStage.Loading, 0);
        return slot.Get(stages.Tensors(), cancellationToken);
    }

    /// <summary>Times the stages, which may nest (an expert is loaded within denoising), and tells the progress.</summary>
    private sealed class StageClock(int videos, IProgress<GenerationProgress>? progress)
    {
        private readonly Dictionary<GenerationStage, TimeSpan> _times = [];
        private readonly Stack<(GenerationStage Stage, int Total, Stopwatch Clock)> _running = [];

        public int Video { get; set; }

        public IReadOnlyDictionary<GenerationStage, TimeSpan> Times => _times;

        public IDisposable Begin(GenerationStage stage, int total)
        {
            if (_running.TryPeek(out var outer)) outer.Clock.Stop();
            _running.Push((stage, total, Stopwatch.StartNew()));
            Report(0);
            return new End(this);
        }

        public void Report(int done) => Report(done, _running.Peek().Total);

        public IProgress<DenoisingProgress> Steps() => new Forward<DenoisingProgress>(p => Report(p.Step));

        public IProgress<(int Done, int Total)> Tensors() => new Forward<(int Done, int Total)>(p => Report(p.Done, p.Total));

        private void Report(int done, int total)
        {
            (GenerationStage stage, _, Stopwatch clock) = _running.Peek();
            progress?.Report(new GenerationProgress(stage, Video, videos, done, total, clock.Elapsed));
        }

        private void Finish()
        {
            (GenerationStage stage, _, Stopwatch clock) = _running.Pop();
            _times[stage] = _times.GetValueOrDefault(stage) + clock.Elapsed;
            if (_running.TryPeek(out var outer)) outer.Clock.Start();
        }

        private sealed class End(StageClock clock) : IDisposable
        {
            public void Dispose() => clock.Finish();
        }

        private sealed class Forward<T>(Action<T> report) : IProgress<T>
        {
            public void Report(T value) => report(value);
        }
    }
}
