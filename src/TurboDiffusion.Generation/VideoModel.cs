using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Generation.Text;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Clip;
using TurboDiffusion.Models.TinyVae;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Convolution;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime.Copies;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Generation;

/// <summary>
/// The generator that every adapter and the command line end in: a model's files, opened and checked, that turns requests into
/// video files. Weights are read when they are first needed. One generation at a time; not thread-safe.
/// </summary>
public sealed class VideoModel : IDisposable
{
    // Above this size the CPU keeps one block of the text encoder in memory at a time.
    private const long StreamedTextEncoderBytes = 4L << 30;

    private readonly ModelVariants _variants;
    private readonly List<IDisposable> _files;
    private readonly FrameDownload _download = new();
    private IReadOnlyList<IDisposable> _aside = [];
    private IReadOnlyList<string> _notes = [];
    private ModelFootprint _footprint = null!, _int8Footprint = null!;
    private readonly ModelPart[] _sharedParts;
    private readonly Placement _placement;

    private readonly string _tokenizer;
    private readonly string _settings;

    private VideoModel(
        ModelVariants variants, List<IDisposable> files, bool randomWeights, ModelPart[] sharedParts, Placement placement,
        string tokenizer, string settings)
    {
        (_variants, _files, HasRandomWeights, _sharedParts, _placement, _tokenizer, _settings) =
            (variants, files, randomWeights, sharedParts, placement, tokenizer, settings);
    }

    /// <summary>The version of this software, as files and results carry it.</summary>
    public static string Version { get; } =
        typeof(VideoModel).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    /// <summary>Which model it is and how it is run.</summary>
    public ModelIdentity Identity => _variants.Own.Identity;

    /// <summary>
    /// What it is run with where a request does not say: the published settings, and what its description says in their place.
    /// </summary>
    public ModelSpec Spec => _variants.Own.Spec;

    /// <summary>Which weights are in memory together.</summary>
    public Residency Residency { get; private init; }

    /// <summary>Whether its weights are random, so that every picture is noise.</summary>
    public bool HasRandomWeights { get; }

    /// <summary>What was left out when it was opened, such as layers of a LoRA that it does not have.</summary>
    public IReadOnlyList<string> Warnings => [.. _variants.Own.Loras.Warnings, .. _notes];

    /// <summary>What is to be said of the machine after a generation, such as that it refused to pin memory; null: nothing.</summary>
    public static string? MachineNote => PinnedMemory.Refusal;

    /// <summary>As <see cref="Warnings"/>, with the LoRAs of a request.</summary>
    /// <param name="request">The request.</param>
    /// <exception cref="TurboDiffusionException">One of its LoRAs cannot be read, or is of another model.</exception>
    public IReadOnlyList<string> WarningsOf(VideoRequest request) =>
        [.. _variants.Get(request.Loras).Loras.Warnings, .. _notes];

    /// <summary>The sets of LoRAs of requests that are kept.</summary>
    internal ModelVariants Variants => _variants;

    /// <summary>Of a model that knows only a small world: prompts that show which. Null: anything can be asked for.</summary>
    public IReadOnlyList<string>? ExamplePrompts { get; private init; }

    /// <summary>
    /// What is to be said of a prompt, before its video is made and with it: that the model does not read its end, or that it has words
    /// that a model of a small world does not know. Safe while a generation runs.
    /// </summary>
    /// <param name="prompt">The prompt.</param>
    /// <returns>One line; null where all of it is read and known.</returns>
    public string? NoteOn(string prompt)
    {
        string[] notes = [.. new[] { NoteOnLength(prompt), NoteOnWords(prompt) }.OfType<string>()];
        return notes.Length == 0 ? null : string.Join(' ', notes);
    }

    private string? NoteOnLength(string prompt)
    {
        TokenizedPrompt tokens = Components.Tokenizer.Encode(prompt);
        int read = tokens.Length - 1;
        return tokens.Dropped == 0 ? null
            : $"The prompt has {read + tokens.Dropped} tokens, and the model reads {read}: its end is left out.";
    }

    private string? NoteOnWords(string prompt)
    {
        if (ExamplePrompts is not { Count: > 0 } examples || Components.Tokenizer is not SentencePieceTextTokenizer tokenizer) return null;
        IReadOnlyList<string> unknown = tokenizer.UnknownWords(prompt);
        if (unknown.Count == 0) return null;
        string words = string.Join(", ", unknown.Select(word => $"'{word}'")), known = string.Join("; ", examples.Select(e => $"\"{e}\""));
        return $"The model {Components.Name} does not know {words} and draws what it does know. Ask for instance for: {known}.";
    }

    /// <summary>
    /// Whether denoising steps can be watched (<see cref="IVideoObserver.Preview"/>): not with low memory, unless there is a tiny VAE.
    /// </summary>
    public bool HasPreviews => Components.PreviewDecoder is not null;

    /// <summary>The dimensions of its parts.</summary>
    public WanComponents Components => _variants.Own.Pipeline.Components;

    /// <summary>Opens a model's files and checks that they are complete and belong together. Reads headers only.</summary>
    /// <param name="files">The files.</param>
    /// <param name="options">How it is to be run.</param>
    /// <exception cref="CheckpointException">A file is missing, broken, or of another kind than its role.</exception>
    /// <exception cref="InvalidRequestException">An option cannot be used.</exception>
    /// <exception cref="EnvironmentException">The device is not there.</exception>
    public static VideoModel Open(ModelFiles files, VideoModelOptions? options = null)
    {
        options ??= new VideoModelOptions();
        torch.Device device = Devices.Parse(options.Device);
        torch.ScalarType dtype = options.Dtype ?? Devices.DefaultDtype(device);
        var placement = new Placement(device, dtype);
        Placement ofVae = placement with { Dtype = options.Dtype ?? Devices.ConvolutionDtype(device) };
        List<IDisposable> opened = [], aside = [];
        try
        {
            ICheckpoint Open(string path)
            {
                ICheckpoint checkpoint = Checkpoint.OpenModel(path);
                opened.Add(checkpoint);
                return checkpoint;
            }

            ICheckpoint[] transformers = [.. new[] { files.Transformer, files.LowNoiseTransformer }.OfType<string>().Select(Open)];
            ICheckpoint vae = Open(options.TinyVae ? TinyVaeOf(files) : files.Vae), text = Open(files.TextEncoder);
            WanConfig config = WanCheckpoint.ReadConfig(transformers[0]);
            // Of a model whose transformer has no use for it, the file is not looked at.
            ICheckpoint? imageEncoder = config.HasImageBranch && files.ImageEncoder is { } file ? Open(file) : null;
            WanVariant variant = WanVariant.Of(transformers[0]);
            if (transformers.Length == 2 && WanCheckpoint.ReadConfig(transformers[1]) != config)
                throw new CheckpointException(files.LowNoiseTransformer!,
                    "has other dimensions than the high-noise expert; the two do not belong together.");
            ModelSpec spec = SpecOf(files, ModelSpec.Of(config, transformers.Length), variant);
            // Not among the files that shape the video.
            ICheckpoint? preview = options.TinyVae || files.TinyVae is null ? null : Checkpoint.OpenModel(files.TinyVae);
            if (preview is not null) aside.Add(preview);
            (AttentionKind defaultAttention, WeightFormat defaultWeights) = variant.DefaultOn(config, spec.AttentionBlock, placement);
            AttentionOptions attention = AttentionOptions.Of(
                options.Attention ?? defaultAttention, options.TopKRatio ?? spec.TopKRatio, spec.AttentionBlock);
            WeightFormat weights = options.Weights ?? defaultWeights;
            TinyVaeConfig? tinyConfig = CheckpointLayout.Detect(vae).Kind == ModelKind.TinyVae ? TinyVaeConfig.FromCheckpoint(vae) : null;
            VaeConfig vaeConfig = tinyConfig?.Equivalent ?? VaeConfig.FromCheckpoint(vae);
            UMT5Config textConfig = UMT5Config.FromCheckpoint(text);
            WeightFormat textWeights = options.TextEncoderWeights ?? UMT5Checkpoint.Int8Layers.FormatOf(text);
            long textBytes = WeightBytes(UMT5Checkpoint.Int8Layers.As(text, textWeights), dtype);
            ClipConfig? imageConfig = imageEncoder is null ? null : ClipConfig.FromCheckpoint(imageEncoder);

            var notes = new List<string>();
            ModelSlot<IVideoAutoencoder>? previewSlot =
                preview is null || tinyConfig is not null ? null : PreviewSlot(preview, vaeConfig, ofVae, notes);
            var footprint = new ModelFootprint
            {
                Name = files.Name,
                Transformer = config,
                // As they are run: a float file asked for in int8 takes int8's room.
                ExpertBytes = [.. transformers.Select(t => WeightBytes(WanCheckpoint.As(t, config, attention, weights), dtype))],
                BlockBytes = WanModel.BlockBytes(config, attention, weights, dtype),
                Vae = vaeConfig,
                VaeBytes = WeightBytes(tinyConfig is null ? vae : TinyVideoAutoencoder.Trimmed(vae, tinyConfig), ofVae.Dtype),
                VaeDtype = ofVae.Dtype,
                ImageEncoderBytes = imageEncoder is null ? 0 : WeightBytes(imageEncoder, dtype),
                TextEncoder = textConfig,
                TextEncoderBytes = textBytes,
                TextBlockBytes = UMT5Encoder.BlockBytes(textConfig, textWeights, dtype),
                TextEncoderWeights = textWeights,
                StreamsText = device.type == DeviceType.CPU && textBytes > StreamedTextEncoderBytes,
                TextLength = spec.TextLength,
                Attention = attention,
                Weights = weights,
                Dtype = dtype,
                OnGpu = device.type == DeviceType.CUDA,
                DecodesInFrames = tinyConfig is null && CausalConvolution.ServesLayers(device, ofVae.Dtype),
            };
            Residency residency = options.Residency ?? Automatic(footprint, spec, device, notes);
            bool stays = residency == Residency.Resident, swaps = residency == Residency.Swapped;
            long decodeBudget = ModelFootprint.DecodeBudget(residency, ofVae.ElementSize);
            var shared = new WanComponents
            {
                Name = files.Name,
                Device = device,
                Tokenizer = SentencePieceTextTokenizer.Open(files.Tokenizer, spec.TextLength),
                TextEncoder = TextEncoderSlot(text, textConfig, textWeights, placement, stays && !footprint.StreamsText),
                TextEncoderConfig = textConfig,
                Experts = [],
                TransformerConfig = config,
                Boundary = CheckedBoundary(options.Boundary ?? spec.Boundary),
                Vae = new ModelSlot<IVideoAutoencoder>((progress, ct) => tinyConfig is null
                    ? Filled(new WanVae(vaeConfig, ofVae) { DecodeBudget = decodeBudget }, vae, progress, ct)
                    : Filled(new TinyVideoAutoencoder(tinyConfig, ofVae), TinyVideoAutoencoder.Trimmed(vae, tinyConfig), progress, ct),
                        stays),
                VaeConfig = vaeConfig,
                ImageEncoder = imageConfig is null ? null : new ModelSlot<ClipVisionEncoder>((progress, ct) =>
                    Filled(new ClipVisionEncoder(imageConfig, placement), imageEncoder!, progress, ct), stays),
                ImageEncoderConfig = imageConfig,
                PreviewVae = previewSlot,
                PreviewsEveryFrame = (previewSlot ?? (object?)tinyConfig) is not null,
            };
            ModelPart[] parts =
            [
                .. shared.ImageEncoder is { } clip
                    ? [new ModelPart(WeightBytes(imageEncoder!, dtype), clip.KeepsLoaded, () => clip.IsLoaded)] : Array.Empty<ModelPart>(),
                new(footprint.VaeBytes, shared.Vae.KeepsLoaded, () => shared.Vae.IsLoaded),
                // A text encoder that does not stay is streamed, block by block.
                new(shared.TextEncoder.KeepsLoaded ? textBytes : 0, shared.TextEncoder.KeepsLoaded,
                    () => shared.TextEncoder.IsLoaded),
            ];
            ModelVariant own = Variant(options.Loras);
            // What changes the video: not the GPU's number, nor what stays in memory.
            string settings = string.Create(CultureInfo.InvariantCulture,
                $"{Version} {device.type} {dtype} {ofVae.Dtype} {weights} {textWeights} {attention.Kind} {attention.TopKRatio} "
                    + $"{attention.QueryBlock} {attention.KeyBlock} {shared.Boundary} {string.Join(' ', own.Identity.Loras)} "
                    + $"{Environment.GetEnvironmentVariable(KernelSwitch.Variable)}");
            return new VideoModel(new ModelVariants(own, options.Loras, options.MaxLoraSets, Variant), opened,
                files.Defaults?.RandomWeights ?? false, parts, placement, files.Tokenizer, settings)
            {
                ExamplePrompts = files.ExamplePrompts,
                _aside = aside,
                _notes = notes,
                _footprint = footprint,
                _int8Footprint = footprint with
                {
                    ExpertBytes = [.. transformers.Select(
                        t => WeightBytes(WanCheckpoint.As(t, config, attention, WeightFormat.Int8), dtype))],
                    BlockBytes = WanModel.BlockBytes(config, attention, WeightFormat.Int8, dtype),
                    Weights = WeightFormat.Int8,
                },
                Residency = residency,
            };

            // The transformers with a set of LoRAs. The files stay open for as long as the model: views of them are never disposed.
            ModelVariant Variant(IReadOnlyList<LoraOptions> wanted)
            {
                var loras = LoraSet.Open(wanted);
                try
                {
                    ICheckpoint[] merged = [.. transformers.Select((t, i) => loras.MergeInto(t, i, transformers.Length, device))];
                    CheckBeforeLoading(merged, config, attention, weights);
                    ModelSlot<WanModel>[] experts = [.. merged.Select(t => new ModelSlot<WanModel>(
                        (progress, ct) => WanCheckpoint.Load(t, attention, weights, placement, progress, ct, swaps), stays || swaps))];
                    var identity = new ModelIdentity(files.Name, spec.Name, variant.Name, attention.Kind, weights, device.ToString())
                    {
                        TextEncoderWeights = textWeights,
                        TinyVae = tinyConfig is not null,
                        Loras = [.. wanted.Select(l => l.ToString())],
                    };
                    ModelPart[] transformerParts = [.. footprint.ExpertBytes.Zip(experts, (bytes, slot) => new ModelPart(
                        swaps ? MemoryPlan.SwappingBytes(footprint, bytes) : bytes, slot.KeepsLoaded, () => slot.IsLoaded)
                        {
                            HostBytes = swaps ? footprint.SwappedBytes : 0,
                        })];
                    return new ModelVariant(loras, loras.HasDistillation ? spec.StepDistilled() : spec, identity,
                        new WanPipeline(shared with { Experts = experts }), transformerParts);
                }
                catch
                {
                    loras.Dispose();
                    throw;
                }
            }
        }
        catch
        {
            foreach (IDisposable file in opened.Concat(aside)) file.Dispose();
            throw;
        }
    }

    /// <summary>Generates the videos of a request and writes them.</summary>
    /// <param name="request">What to generate and where to write it.</param>
    /// <param name="progress">Told of the whole generation, about a hundred times; called from this thread.</param>
    /// <param name="observer">
    /// Sees the frames too, chunk by chunk, before they are written, and before that what each denoising step predicts: for previews.
    /// </param>
    /// <param name="cancellationToken">
    /// Ends the call within one transformer block or VAE layer; leaves no file of the video in work.
    /// </param>
    /// <returns>The videos, in order.</returns>
    /// <exception cref="TurboDiffusionException">
    /// The request cannot be met; found out before any heavy work where that is possible.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public IReadOnlyList<VideoResult> Generate(
        VideoRequest request, IProgress<GenerationProgress>? progress = null, IVideoObserver? observer = null,
        CancellationToken cancellationToken = default)
    {
        using var scope = torch.NewDisposeScope();
        try
        {
            PipelineRequest plan = Check(request);
            ModelVariant variant = _variants.Get(request.Loras);
            using var receiver = new FileReceiver(
                request, plan, FramesPerSecond(request), variant.Identity, _download, observer, cancellationToken);
            string? note = NoteOn(request.Prompt);
            IReadOnlyDictionary<GenerationStage, TimeSpan> times = variant.Pipeline.Run(plan, receiver, progress, cancellationToken);
            return [.. receiver.Finished.Select(v => new VideoResult(
                v.Path, request.Prompt, v.Seed, plan.Width, plan.Height, plan.Frames, FramesPerSecond(request), variant.Identity, times)
            {
                Note = note,
            })];
        }
        finally
        {
            _variants.Trim();
        }
    }

    /// <summary>Everything that <see cref="Generate"/> checks before heavy work: the request, the output, ffmpeg, memory.</summary>
    /// <param name="request">A request.</param>
    /// <returns>The request with every default filled in.</returns>
    /// <exception cref="TurboDiffusionException">The request cannot be met.</exception>
    public PipelineRequest Check(VideoRequest request)
    {
        PipelineRequest plan = Plan(request);
        for (int video = 0; video < plan.Count; video++) VideoSink.Check(request.PathOf(video), request.Output);
        CheckMemory(plan, _variants.Get(request.Loras));
        return plan;
    }

    /// <summary>What the model takes in memory, as it is opened and, where its weights are floats, as it would be in int8.</summary>
    /// <param name="onGpu">Whether for a GPU; for the CPU otherwise.</param>
    /// <returns>The model's own form first; the other with what the change is called.</returns>
    public IReadOnlyList<(string? Change, ModelFootprint Model)> Footprints(bool onGpu)
    {
        ModelFootprint own = _footprint with { OnGpu = onGpu };
        return own.Weights == WeightFormat.Int8 ? [(null, own)] : [(null, own), ("int8 weights", _int8Footprint with { OnGpu = onGpu })];
    }

    /// <summary>A request with every default filled in, checked but for its output and the memory.</summary>
    /// <param name="request">A request.</param>
    /// <exception cref="TurboDiffusionException">The request cannot be met.</exception>
    public PipelineRequest Plan(VideoRequest request)
    {
        if (FramesPerSecond(request) is not (>= 1 and <= 240))
            throw new InvalidRequestException("fps", string.Create(CultureInfo.InvariantCulture,
                $"The frame rate is {FramesPerSecond(request)}; give 1 to 240 frames per second."));
        if (request.StartImage is not null && !Components.TransformerConfig.TakesImage)
            throw new InvalidRequestException("image",
                $"{Identity.Name} generates from text alone; leave the start image out, or use an image-to-video model.");
        if (request.EndImage is not null && !Components.TransformerConfig.TakesEndImage)
            throw new InvalidRequestException("end image",
                $"{Identity.Name} cannot be given the last frame; leave the end image out, or use Wan2.1-FLF2V or Wan2.2-I2V-A14B.");
        torch.Tensor? start = request.StartImage is { } first ? ImageReader.Read(first, request.StartImageName) : null,
            end = request.EndImage is { } last ? ImageReader.Read(last, request.EndImageName) : null;
        if (start is not null && end is not null) end = ImageFitting.CropToAspectOf(end, start);
        VideoSize size = request.Size ?? Spec.Size;
        if (request.AdaptiveSize && start is not null)
            size = ImageFitting.SizeFor(Spec.ImageFit, size, (int)start.size(-1), (int)start.size(-2),
                Components.VaeConfig.SpatialFactor * WanConfig.PatchSize);
        ModelVariant variant = _variants.Get(request.Loras);
        SamplingDefaults sampling = variant.Spec.Sampling;
        var plan = new PipelineRequest
        {
            Prompt = request.Prompt,
            NegativePrompt = request.NegativePrompt ?? "",
            StartImage = start is null ? null : ImageFitting.ToModelInput(Spec.ImageFit, start, size),
            EndImage = end is null ? null : ImageFitting.ToModelInput(Spec.ImageFit, end, size),
            SeenImages = start is null || Components.ImageEncoderConfig is not { } encoder ? null
                : ImageFitting.ToImageEncoder(encoder, [.. new[] { start, end }.OfType<torch.Tensor>()]),
            Width = size.Width,
            Height = size.Height,
            Frames = request.Frames ?? Spec.Frames,
            Sampler = sampling.Of(request.Sampler, request.Steps, request.SigmaMax, request.Ode, request.Shift),
            GuidanceScale = request.GuidanceScale ?? sampling.GuidanceScale,
            CausalFrames = request.CausalFrames,
            Seed = request.Seed ?? RandomSeed(),
            Count = request.Count,
        };
        variant.Pipeline.Check(plan);
        return plan;
    }

    /// <summary>
    /// A digest of all that shapes this model's videos beside the request: every weight, the tokenizer, the defaults, the device's kind,
    /// the number formats, the attention and this software's version. Reads every file once.
    /// </summary>
    /// <param name="cancellationToken">Checked before each tensor.</param>
    /// <returns>32 hexadecimal digits.</returns>
    /// <exception cref="CheckpointException">A file cannot be read.</exception>
    public string Fingerprint(CancellationToken cancellationToken = default) =>
        ModelFingerprint.Of([.. _files.Cast<ICheckpoint>(), .. _variants.Own.Loras.Files], _tokenizer, Spec, _settings, cancellationToken);

    /// <inheritdoc/>
    public void Dispose()
    {
        _variants.Dispose();
        Components.Dispose();
        foreach (IDisposable file in _files.Concat(_aside)) file.Dispose();
        _files.Clear();
        _aside = [];
        _download.Dispose();
    }

    // Every name, type and shape against a model without memory: a wrong file is found out now, not after the text encoder ran.
    private static void CheckBeforeLoading(IEnumerable<ICheckpoint> transformers, WanConfig config, AttentionOptions attention,
        WeightFormat weights)
    {
        using var model = new WanModel(config, attention, weights, Placement.Meta);
        foreach (ICheckpoint transformer in transformers)
            StrictLoader.Check(model, WanCheckpoint.As(transformer, config, attention, weights));
    }

    private static string TinyVaeOf(ModelFiles files) => files.TinyVae
        ?? throw new InvalidRequestException("vae",
            $"{files.Name} has no tiny autoencoder; name the file of one (taew2_1.safetensors) as \"tinyVae\" in its model.json, or as "
                + "the VAE.");

    // Small enough to stay, even where others do not.
    private static ModelSlot<IVideoAutoencoder>? PreviewSlot(ICheckpoint checkpoint, VaeConfig vae, Placement placement, List<string> notes)
    {
        TinyVaeConfig config = TinyVaeConfig.FromCheckpoint(checkpoint);
        if (config.LatentChannels == vae.ZDim && config.SpatialFactor == vae.SpatialFactor)
            return new((progress, ct) => Filled(new TinyVideoAutoencoder(config, placement),
                TinyVideoAutoencoder.Trimmed(checkpoint, config), progress, ct), keepLoaded: true);
        // Of a model whose VAE another one was named for: no reason to refuse it.
        notes.Add($"{checkpoint.Path} is a tiny autoencoder of latents with {config.LatentChannels} channels, {config.SpatialFactor} "
            + $"pixels apart, and shows no previews; the VAE has {vae.ZDim} and {vae.SpatialFactor}.");
        return null;
    }

    // By a video of the model's own size and length; one that needs more is refused, with what fits.
    private static Residency Automatic(ModelFootprint model, ModelSpec spec, torch.Device device, List<string> notes)
    {
        var usual = new ClipExtent(spec.Size, spec.Frames, spec.Transformer.IsImageToVideo);
        long available = DeviceMemory.Available(device);
        MemoryPlan plan = MemoryPlan.Choose(model, usual, available) ?? MemoryPlan.Least(model, usual);
        if (plan.Residency != Residency.Resident)
            notes.Add($"Weights are {plan.Residency.ToString().ToLowerInvariant()}, by a video of {usual}: "
                + $"{MemoryPlan.Reason(model, usual, plan.Residency, available)}.");
        return plan.Residency;
    }

    private static ModelSlot<ITextEncoder> TextEncoderSlot(
        ICheckpoint checkpoint, UMT5Config config, WeightFormat weights, Placement placement, bool stays) => stays
            ? new((progress, ct) => UMT5Checkpoint.Load(checkpoint, weights, placement, progress, ct), keepLoaded: true)
            : new((_, _) => new StreamedUMT5Encoder(checkpoint, config, placement, weights), keepLoaded: false);

    private static T Filled<T>(T module, ICheckpoint checkpoint, IProgress<(int Done, int Total)>? progress,
        CancellationToken cancellationToken)
        where T : torch.nn.Module
    {
        try
        {
            StrictLoader.Load(module, checkpoint, progress, cancellationToken);
            return module;
        }
        catch
        {
            module.Dispose();
            throw;
        }
    }

    private static long WeightBytes(ICheckpoint checkpoint, torch.ScalarType dtype) =>
        checkpoint.Tensors.Values.Sum(t => t.ByteCountAs(dtype));

    private static ModelSpec SpecOf(ModelFiles files, ModelSpec published, WanVariant variant)
    {
        // Checkpoints with the SLA projection are distilled by rCM, others are originals.
        if (variant.HasProjection) published = published.Distilled();
        try
        {
            ModelSpec spec = files.Defaults?.Over(published) ?? published;
            return spec.TextLength is >= 1 and <= 4096 ? spec : throw new CheckpointException(files.Name,
                $"has a textLength of {spec.TextLength} in its description; it is the number of tokens that the transformer was trained "
                    + $"with, {published.TextLength} for Wan.");
        }
        catch (InvalidRequestException e)
        {
            throw new CheckpointException(files.Name, $"has a description that cannot be used. {e.Message}", e);
        }
    }

    // Without a boundary, there is one transformer, which serves at every noise level.
    private static double CheckedBoundary(double? boundary) => boundary is null or (> 0 and < 1)
        ? boundary ?? 0
        : throw new InvalidRequestException("boundary",
            $"The boundary between the experts is {boundary}; give a time above 0 and below 1, or leave it out for the published one.");

    private static ulong RandomSeed() => (ulong)RandomNumberGenerator.GetInt32(int.MaxValue);

    private double FramesPerSecond(VideoRequest request) => request.FramesPerSecond ?? Spec.FramesPerSecond;

    private void CheckMemory(PipelineRequest plan, ModelVariant variant)
    {
        IReadOnlyList<(string? Change, ModelFootprint Model)> forms = Footprints(_placement.Device.type == DeviceType.CUDA);
        ModelFootprint footprint = forms[0].Model;
        var clip = new ClipExtent(new VideoSize(plan.Width, plan.Height), plan.Frames, plan.StartImage is not null,
            plan.CausalFrames is not null);
        ModelPart[] loadedParts = [.. variant.Parts.Concat(_sharedParts).Where(p => p.IsLoaded())];
        long loaded = loadedParts.Sum(p => p.Bytes);
        MemoryPlan memory = MemoryPlan.Of(footprint, clip, Residency);
        long needed = memory.Peak.Bytes - loaded, available = DeviceMemory.Available(Components.Device);
        long neededHost = memory.HostBytes - loadedParts.Sum(p => p.HostBytes);
        if (needed > available || neededHost > DeviceMemory.Available(torch.CPU))
        {
            // The transformers with other LoRAs go; and the generation before may have left the room with libtorch.
            _variants.UnloadAllBut(variant);
            DeviceMemory.Release(Components.Device);
            available = DeviceMemory.Available(Components.Device);
        }
        string purpose = $"A video of {clip} on {variant.Identity.Name} ({Components.Device})";
        if (needed > available)
            // What is loaded now can be freed for a plan that takes less.
            throw new InsufficientMemoryException(purpose, needed, available,
                NearestRequest.Remedy(NearestRequest.Find(forms, clip, available + loaded)));
        if (neededHost > 0 && DeviceMemory.Available(torch.CPU) is var host && neededHost > host)
            throw new InsufficientMemoryException($"{purpose} with its blocks in host memory", neededHost, host,
                "Free host memory, or choose another residency or a smaller model.");
    }
}
