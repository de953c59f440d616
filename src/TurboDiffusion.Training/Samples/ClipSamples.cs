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
using TurboDiffusion.Training.Configuration;
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
    private readonly ISampler _sampler;
    private readonly GuidanceScale _guidance;
    private readonly Placement _placement;
    private readonly VideoFormat _format;
    private readonly int _frames;
    private readonly VaeConfig _vae;
    private readonly SentencePieceTextTokenizer _tokenizer;
    private readonly Tensor? _embeddings;
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
        ModelSpec spec = ModelSpec.Of(((WanModel)model.Module).Config, experts: 1);
        if (distilled) spec = spec.Distilled();
        (_model, _textEncoder, _options, _placement) = (model, textEncoder, options, placement);
        _folder = new SampleFolder(runFolder, options.Every);
        _guidance = options.Guidance ?? spec.Sampling.GuidanceScale;
        SamplerOptions sampler = spec.Sampling.Of(options.Sampler ?? spec.Sampling.Sampler);
        _sampler = (sampler with
        {
            Steps = options.Steps ?? sampler.Steps,
            SigmaMax = options.SigmaMax ?? sampler.SigmaMax,
            Shift = options.Shift ?? sampler.Shift,
        }).Create();
        _format = new VideoFormat(options.Width ?? spec.Size.Width, options.Height ?? spec.Size.Height, options.FramesPerSecond ?? spec.FramesPerSecond);
        _frames = options.Frames ?? spec.Frames;
        _tokenizer = SentencePieceTextTokenizer.Open(options.Tokenizer, options.TextLength ?? spec.TextLength);
        using (ICheckpoint vae = Checkpoint.OpenModel(options.Vae)) _vae = VaeConfig.FromCheckpoint(vae);
        Check(((WanModel)model.Module).Config);
        _writesVideos = HasFFmpeg();
        if (textEncoder is null) _embeddings = EncodeOnce(cancellationToken);
    }

    /// <inheritdoc/>
    public void Observe(TrainingProgress done, CancellationToken cancellationToken)
    {
        if (!_folder.IsDue(done)) return;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using IDisposable averages = _model.UseAverages();
        Tensor embeddings = _embeddings ?? EncodeNow(cancellationToken);
        using WanVae vae = LoadVae(cancellationToken);
        var rows = new List<Tensor>();
        for (int i = 0; i < _options.Prompts.Count; i++)
        {
            rows.Add(Sample(i, embeddings, vae, cancellationToken));
            if (_writesVideos) WriteVideo(done, i, rows[i], cancellationToken);
        }
        ContactSheet.Write(_folder.PathOf(done, ".png"), rows);
    }

    /// <inheritdoc/>
    public void Dispose() => _embeddings?.Dispose();

    private void Check(WanConfig model)
    {
        int grid = _vae.SpatialFactor * WanConfig.PatchSize;
        if (_options.Prompts.Count == 0 || _options.Prompts.Any(string.IsNullOrWhiteSpace))
            throw new InvalidRequestException("samples", "The samples have no prompt, or an empty one; say what each clip shows.");
        if (_format.Width % grid != 0 || _format.Height % grid != 0 || _frames < 1 || _frames % _vae.TemporalFactor != 1)
            throw new InvalidRequestException("samples",
                $"The samples have {_frames} frames of {_format.Width}×{_format.Height}; the sizes must be multiples of {grid}, the frames {_vae.TemporalFactor}k + 1.");
        if (model.IsImageToVideo)
            throw new InvalidRequestException("samples", "Samples are made from text alone, and this is an image-to-video model; leave the samples out.");
        if (_textEncoder is null && _options.TextEncoder is null)
            throw new InvalidRequestException("samples", "The samples have no text encoder; name its checkpoint (textEncoder).");
        if (_vae.ZDim != model.OutDim)
            throw new CheckpointException(_options.Vae,
                $"has latents of {_vae.ZDim} channels, the transformer in training {model.OutDim}; use the VAE that encoded its data.");
    }

    private Tensor EncodeOnce(CancellationToken cancellationToken)
    {
        using ICheckpoint checkpoint = Checkpoint.OpenModel(_options.TextEncoder!);
        using var encoder = new StreamedUMT5Encoder(checkpoint, UMT5Config.FromCheckpoint(checkpoint), _placement);
        CheckEncoder(encoder.Config, checkpoint.Path);
        return Encode(encoder, cancellationToken).DetachFromDisposeScope();
    }

    private Tensor EncodeNow(CancellationToken cancellationToken)
    {
        using IDisposable averages = _textEncoder!.UseAverages();
        var encoder = (UMT5Encoder)_textEncoder.Module;
        CheckEncoder(encoder.Config, _options.Tokenizer);
        return Encode(encoder, cancellationToken);
    }

    private void CheckEncoder(UMT5Config encoder, string path)
    {
        int width = ((WanModel)_model.Module).Config.TextDim;
        if (encoder.Dim != width || _tokenizer.VocabularySize > encoder.Vocab)
            throw new CheckpointException(path,
                $"does not fit: embeddings of width {encoder.Dim} for a transformer that takes {width}, {encoder.Vocab} known tokens for a " +
                $"tokenizer of {_tokenizer.VocabularySize}.");
    }

    // [prompts + 1, L, D]: the last is the negative prompt.
    private Tensor Encode(ITextEncoder encoder, CancellationToken cancellationToken) =>
        PromptEncoding.Encode(_options.Prompts.Append(_options.NegativePrompt), _tokenizer, encoder, _placement.Device, cancellationToken);

    private WanVae LoadVae(CancellationToken cancellationToken)
    {
        using ICheckpoint checkpoint = Checkpoint.OpenModel(_options.Vae);
        var vae = new WanVae(_vae, _placement);
        StrictLoader.Load(vae, checkpoint, cancellationToken: cancellationToken);
        return vae;
    }

    private Tensor Sample(int prompt, Tensor embeddings, WanVae vae, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        // Kept: the model is the training's.
        var transformer = new ModelSlot<WanModel>((_, _) => (WanModel)_model.Module, keepLoaded: true);
        using var denoiser = new Denoiser([transformer], 0, embeddings.narrow(0, prompt, 1), embeddings.narrow(0, _options.Prompts.Count, 1), _guidance);
        var noise = new PhiloxNoise(unchecked(_options.Seed + (ulong)prompt));
        Tensor start = noise.Normal(1, _vae.ZDim, (_frames - 1) / _vae.TemporalFactor + 1,
            _format.Height / _vae.SpatialFactor, _format.Width / _vae.SpatialFactor).to(_placement.Device);
        Tensor latents = DenoisingLoop.Run(_sampler, start, denoiser.Velocity, noise, null, cancellationToken);
        return VideoFrames.FromModelOutput(vae.Decode(latents, cancellationToken))[0].MoveToOuterDisposeScope();
    }

    private void WriteVideo(TrainingProgress done, int prompt, Tensor frames, CancellationToken cancellationToken)
    {
        string path = _folder.PathOf(done, string.Create(CultureInfo.InvariantCulture, $"-{prompt}.mp4"));
        var metadata = new VideoMetadata(
            _options.Prompts[prompt], unchecked(_options.Seed + (ulong)prompt), $"in training, iteration {done.Iteration}", VideoModel.Version);
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
