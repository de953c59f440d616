using System.Globalization;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Generation.Text;
using TurboDiffusion.Models;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Loops;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Samples;

/// <summary>
/// Clips of a transformer in training (of the average of its weights, where one is kept): <c>samples/000500.png</c> with a row
/// for each prompt and, where there is ffmpeg, <c>samples/000500-0.mp4</c>, … They are what the exported model would make.
/// </summary>
public sealed class ClipSamples : ITrainingObserver, IDisposable
{
    private readonly SampleOptions _options;
    private readonly SampleFolder _folder;
    private readonly TrainedModel _model;
    private readonly TrainedModel? _textEncoder;
    private readonly WanComponents _components;
    private readonly ClipStages _stages;
    private readonly VideoFormat _format;
    private readonly PromptEmbeddings? _embeddings;
    private readonly bool _writesVideos;

    /// <summary>Checks the options, and encodes the prompts if their encoder is not in training.</summary>
    /// <param name="model">The transformer in training.</param>
    /// <param name="textEncoder">The text encoder where it is trained along; null: the options name it.</param>
    /// <param name="options">What, and when.</param>
    /// <param name="distilled">Whether the model is one of few steps, for the defaults of sampler and guidance.</param>
    /// <param name="placement">Where the models are.</param>
    /// <param name="runFolder">The run's folder.</param>
    /// <param name="cancellationToken">Ends the encoding.</param>
    /// <exception cref="InvalidRequestException">An option is out of range.</exception>
    /// <exception cref="CheckpointException">A file cannot be used, or belongs to another model.</exception>
    public ClipSamples(
        TrainedModel model, TrainedModel? textEncoder, SampleOptions options, bool distilled, Placement placement, string runFolder,
        CancellationToken cancellationToken = default)
    {
        var transformer = (WanModel)model.Module;
        Check(options, textEncoder, transformer.Config);
        (_model, _textEncoder, _options) = (model, textEncoder, options);
        _folder = new SampleFolder(runFolder, options.Every);
        ModelSpec spec = ModelSpec.Of(transformer.Config, experts: 1);
        if (distilled) spec = spec.Distilled();
        VaeConfig vae;
        using (ICheckpoint checkpoint = Checkpoint.OpenModel(options.Vae)) vae = VaeConfig.FromCheckpoint(checkpoint);
        using ICheckpoint? text = textEncoder is null ? Checkpoint.OpenModel(options.TextEncoder!) : null;
        UMT5Config textConfig = text is null ? ((UMT5Encoder)textEncoder!.Module).Config : UMT5Config.FromCheckpoint(text);
        _components = new WanComponents
        {
            Name = "the model in training",
            Device = placement.Device,
            Tokenizer = SentencePieceTextTokenizer.Open(options.Tokenizer, options.TextLength ?? spec.TextLength),
            // What is in training is the training's: kept.
            TextEncoder = text is null
                ? new((_, _) => (UMT5Encoder)textEncoder!.Module, keepLoaded: true)
                : new((_, _) => new StreamedUMT5Encoder(text, textConfig, placement), keepLoaded: false),
            TextEncoderConfig = textConfig,
            Experts = [new((_, _) => transformer, keepLoaded: true)],
            TransformerConfig = transformer.Config,
            Vae = new((_, cancelled) => LoadVae(options.Vae, vae, AsExported(placement), cancelled), keepLoaded: true),
            VaeConfig = vae,
        };
        _components.Check();
        ClipSettings settings = Settings(options, spec);
        _stages = Stages(settings);
        _format = new VideoFormat(settings.Width, settings.Height, options.FramesPerSecond ?? spec.FramesPerSecond);
        _writesVideos = HasFFmpeg();
        if (text is not null) _embeddings = Kept(_stages.EncodeText(options.Prompts, cancellationToken));
    }

    /// <inheritdoc/>
    public void Observe(TrainingProgress done, CancellationToken cancellationToken)
    {
        if (!_folder.IsDue(done)) return;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using IDisposable averages = _model.UseAverages();
        PromptEmbeddings text = _embeddings ?? EncodeNow(cancellationToken);
        var rows = new List<Tensor>();
        try
        {
            for (int i = 0; i < _options.Prompts.Count; i++)
            {
                rows.Add(Sample(i, text.Only(i), cancellationToken));
                if (_writesVideos) WriteVideo(done, i, rows[i], cancellationToken);
            }
        }
        finally
        {
            _components.Vae.Dispose();
        }
        new ContactSheet(rows).WritePicture(_folder.PathOf(done, ".png"));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _embeddings?.Prompts.Dispose();
        _embeddings?.Negative?.Dispose();
    }

    private static void Check(SampleOptions options, TrainedModel? textEncoder, WanConfig model)
    {
        if (options.Prompts.Count == 0 || options.Prompts.Any(string.IsNullOrWhiteSpace))
            throw new InvalidRequestException("samples", "The samples have no prompt, or an empty one; say what each clip shows.");
        if (model.IsImageToVideo)
            throw new InvalidRequestException("samples",
                "Samples are made from text alone, and this is an image-to-video model; leave the samples out.");
        if (textEncoder is null && options.TextEncoder is null)
            throw new InvalidRequestException("samples", "The samples have no text encoder; name its checkpoint (textEncoder).");
    }

    private static ClipSettings Settings(SampleOptions options, ModelSpec spec) => new()
    {
        NegativePrompt = options.NegativePrompt,
        Width = options.Width ?? spec.Size.Width,
        Height = options.Height ?? spec.Size.Height,
        Frames = options.Frames ?? spec.Frames,
        Sampler = spec.Sampling.Of(options.Sampler, options.Steps, options.SigmaMax, shift: options.Shift),
        GuidanceScale = options.Guidance ?? spec.Sampling.GuidanceScale,
    };

    // As the exported model is decoded where nothing is said.
    private static Placement AsExported(Placement placement) => placement.Dtype == Devices.DefaultDtype(placement.Device)
        ? placement with { Dtype = Devices.ConvolutionDtype(placement.Device) }
        : placement;

    private static WanVae LoadVae(string path, VaeConfig config, Placement placement, CancellationToken cancellationToken)
    {
        using ICheckpoint checkpoint = Checkpoint.OpenModel(path);
        var vae = new WanVae(config, placement);
        StrictLoader.Load(vae, checkpoint, cancellationToken: cancellationToken);
        return vae;
    }

    private static PromptEmbeddings Kept(PromptEmbeddings text)
    {
        text.Prompts.DetachFromDisposeScope();
        text.Negative?.DetachFromDisposeScope();
        return text;
    }

    private ClipStages Stages(ClipSettings settings)
    {
        try
        {
            return new ClipStages(_components, settings);
        }
        catch (InvalidRequestException e)
        {
            throw new InvalidRequestException("samples", $"The samples cannot be made. {e.Message}", e);
        }
    }

    private PromptEmbeddings EncodeNow(CancellationToken cancellationToken)
    {
        using IDisposable averages = _textEncoder!.UseAverages();
        return _stages.EncodeText(_options.Prompts, cancellationToken);
    }

    // The frames, [T, H, W, 3].
    private Tensor Sample(int prompt, PromptEmbeddings text, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        Tensor latents = _stages.Denoise(text, [unchecked(_options.Seed + (ulong)prompt)], cancellationToken: cancellationToken);
        var frames = new List<Tensor>();
        foreach (Tensor chunk in _stages.Decode(latents, cancellationToken))
            using (chunk) frames.Add(VideoFrames.FromModelOutput(chunk)[0]);
        return cat(frames).MoveToOuterDisposeScope();
    }

    private void WriteVideo(TrainingProgress done, int prompt, Tensor frames, CancellationToken cancellationToken)
    {
        string path = _folder.PathOf(done, string.Create(CultureInfo.InvariantCulture, $"-{prompt}.mp4"));
        var metadata = new VideoMetadata(
            _options.Prompts[prompt], unchecked(_options.Seed + (ulong)prompt), $"in training, iteration {done.Iteration}",
            VideoModel.Version);
        IFrameSink sink = VideoSink.Open(path, _format, metadata, new VideoOptions { Overwrite = true }, cancellationToken);
        try
        {
            sink.Write(frames);
            sink.CompleteAsync(cancellationToken).GetAwaiter().GetResult();
        }
        finally
        {
            sink.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private static bool HasFFmpeg()
    {
        try
        {
            FFmpeg.Locate().Require(VideoContainer.Mp4);
            return true;
        }
        catch (EnvironmentException)
        {
            return false;
        }
    }
}
