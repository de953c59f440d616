using System.Globalization;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation.Text;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Networks;
using TurboDiffusion.Training.Samples;

namespace TurboDiffusion.Training.Configuration;

/// <summary>
/// A whole training run from its configuration: models, data, loop, and in the output folder the saved state, the
/// configuration, the losses and the trained model. A run continues where the folder's state ends.
/// </summary>
public static class TrainingRun
{
    /// <summary>The trained model in the output folder: the weight average, where one is kept.</summary>
    public const string ModelFile = "model.safetensors";

    /// <summary>The trained text encoder in the output folder, where one was trained along.</summary>
    public const string TextEncoderFile = "text_encoder.safetensors";

    /// <summary>The losses in the output folder: <see cref="LossLog"/>.</summary>
    public const string LossFile = "losses.csv";

    /// <summary>The configuration in the output folder.</summary>
    public const string ConfigFile = "config.json";

    /// <summary>Pre-trains a transformer.</summary>
    /// <param name="config">The run.</param>
    /// <param name="progress">Told after every iteration.</param>
    /// <param name="cancellationToken">Saves the state and stops.</param>
    /// <exception cref="TurboDiffusionException">The configuration, the data, a checkpoint or the output folder cannot be used.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved.</exception>
    public static void Run(TeacherConfig config, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        if (config.Model is null == config.Initial is null)
            throw new InvalidRequestException("model", "Give either the dimensions of a new model (model) or the checkpoint to begin from (initial).");
        using UMT5Encoder? text = config.NewTextEncoder is { } dimensions ? new UMT5Encoder(dimensions, config.Placement) : OpenTextEncoder(config, cancellationToken);
        if (config.NewTextEncoder is not null) WeightInitialization.Initialize(text!, InitialRandom(config));
        ILatentData data = OpenData(config, text);
        using var ownedData = data as IDisposable;
        using WanModel model = config.Initial is null
            ? new WanModel(config.Model!, AttentionOptions.Dense, WeightFormat.Float, config.Placement) { RecomputesActivations = config.RecomputeActivations }
            : Load(config.Initial, AttentionOptions.Dense, config, cancellationToken);
        if (config.Initial is null) WeightInitialization.Initialize(model, InitialRandom(config));
        using var task = new TeacherTraining(model, data, config.Times.Create(), config.ConditionDropout, config.Training,
            config.NewTextEncoder is null ? null : text);
        using ClipSamples? samples = OpenSamples(config, task.Model, task.TextEncoder, distilled: false, cancellationToken);
        ScoreObserver? scores = OpenScores(config, task.Models, text, distilled: false, cancellationToken);
        Train(config, task, task.Model, [samples, scores], progress, cancellationToken);
        task.TextEncoder?.Export(Path.Combine(config.Output, TextEncoderFile));
    }

    /// <summary>Tunes a transformer for sparse-linear attention.</summary>
    /// <inheritdoc cref="Run(TeacherConfig, IProgress{TrainingProgress}?, CancellationToken)"/>
    public static void Run(SlaConfig config, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using UMT5Encoder? text = OpenTextEncoder(config, cancellationToken);
        ILatentData data = OpenData(config, text);
        using var ownedData = data as IDisposable;
        using WanModel teacher = Load(config.Teacher, AttentionOptions.Dense, config, cancellationToken);
        using WanModel student = Load(config.Teacher, AttentionOptions.Sla(config.TopK, config.QueryBlock, config.KeyBlock), config, cancellationToken);
        using var task = new SlaTuning(student, teacher, data, config.Times.Create(), config.Training);
        using ClipSamples? samples = OpenSamples(config, task.Model, null, distilled: false, cancellationToken);
        ScoreObserver? scores = OpenScores(config, task.Models, text, distilled: false, cancellationToken);
        Train(config, task, task.Model, [samples, scores], progress, cancellationToken);
    }

    /// <summary>Distils a transformer.</summary>
    /// <inheritdoc cref="Run(TeacherConfig, IProgress{TrainingProgress}?, CancellationToken)"/>
    public static void Run(RcmConfig config, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using UMT5Encoder? text = OpenTextEncoder(config, cancellationToken);
        ILatentData data = OpenData(config, text);
        using var ownedData = data as IDisposable;
        using WanModel teacher = Load(config.Teacher, AttentionOptions.Dense, config, cancellationToken);
        using WanModel student = Load(config.Teacher, AttentionOptions.Dense, config, cancellationToken);
        using WanModel? critic = config.Rcm.DistributionScale > 0 ? Load(config.Teacher, AttentionOptions.Dense, config, cancellationToken) : null;
        using var task = new RcmDistillation(student, teacher, critic, data, config.ConsistencyTimes.Create(), config.MatchingTimes.Create(),
            config.Rcm, config.CriticOptimizer, config.Training);
        using ClipSamples? samples = OpenSamples(config, task.Student, null, distilled: true, cancellationToken);
        ScoreObserver? scores = OpenScores(config, [task.Student], text, distilled: true, cancellationToken);
        Train(config, task, task.Student, [samples, scores], progress, cancellationToken);
    }

    /// <summary>Trains a VAE.</summary>
    /// <inheritdoc cref="Run(TeacherConfig, IProgress{TrainingProgress}?, CancellationToken)"/>
    public static void Run(VaeTrainingConfig config, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        if (config.Width is null == config.Initial is null)
            throw new InvalidRequestException("width", "Give either the width of a new VAE (width) or the checkpoint to begin from (initial).");
        if (config.Data is null == config.World is null)
            throw new InvalidRequestException("data", "Give either a folder of clips (data) or what to render (world).");
        IClipData data = config.World is { } world
            ? WorldClips.Render(world, config.Frames, config.Height, config.CropWidth, config.Placement.Device, cancellationToken)
            : new ClipFolder(config.Data!, config.Frames, config.Height, config.CropWidth);
        using var ownedData = (IDisposable)data;
        using ICheckpoint? initial = config.Initial is null ? null : Checkpoint.OpenModel(config.Initial);
        using var vae = new WanVae(initial is null ? VaeConfig.WithDim(config.Width!.Value) : VaeConfig.FromCheckpoint(initial), config.Placement);
        if (initial is null) WeightInitialization.Initialize(vae, InitialRandom(config));
        else StrictLoader.Load(vae, initial, cancellationToken: cancellationToken);
        using var task = new VaeTraining(vae, data, config.Loss, config.Training, config.DecoderOnly);
        using ReconstructionSamples? samples = config.Samples is null ? null : new ReconstructionSamples(task.Model, data, config.Samples, config.Output);
        ScoreObserver? scores = config.Scores is null ? null
            : new ScoreObserver(task.Models, config.Scores, clips => SceneGenerator.Reconstructions(vae, config.Placement.Device, clips), config.Output);
        Train(config, task, task.Model, [samples, scores], progress, cancellationToken);
    }

    private static void Train(
        RunConfig config, ITrainingTask task, TrainedModel result, IReadOnlyList<ITrainingObserver?> observers, IProgress<TrainingProgress>? progress,
        CancellationToken cancellationToken)
    {
        Trainer trainer;
        try
        {
            trainer = new Trainer(task, config.Training, config.Output, [.. observers.OfType<ITrainingObserver>()]);
            AtomicFile.WriteText(Path.Combine(config.Output, ConfigFile), config.ToJson());
            using var log = new LossLog(Path.Combine(config.Output, LossFile), trainer.Iteration);
            trainer.Run(new Both(log, progress), cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException("output", $"{config.Output} cannot be written: {e.Message}", e);
        }
        var metadata = new Dictionary<string, string>
        {
            ["training"] = task.Name,
            ["iterations"] = trainer.Iteration.ToString(CultureInfo.InvariantCulture),
            ["seed"] = config.Training.Seed.ToString(CultureInfo.InvariantCulture),
        };
        if (result.Module is WanModel wan) metadata[WanCheckpoint.HeadsMetadata] = wan.Config.NumHeads.ToString(CultureInfo.InvariantCulture);
        result.Export(Path.Combine(config.Output, ModelFile), metadata);
    }

    private static WanModel Load(string path, AttentionOptions attention, RunConfig config, CancellationToken cancellationToken)
    {
        using ICheckpoint checkpoint = Checkpoint.OpenModel(path);
        WanModel model = WanCheckpoint.Load(checkpoint, attention, WeightFormat.Float, config.Placement, cancellationToken: cancellationToken);
        model.RecomputesActivations = config.RecomputeActivations;
        return model;
    }

    private static UMT5Encoder? OpenTextEncoder(TransformerRunConfig config, CancellationToken cancellationToken)
    {
        if (config.TextEncoder is null) return null;
        using ICheckpoint checkpoint = Checkpoint.OpenModel(config.TextEncoder);
        var encoder = new UMT5Encoder(UMT5Config.FromCheckpoint(checkpoint), config.Placement);
        StrictLoader.Load(encoder, checkpoint, cancellationToken: cancellationToken);
        return encoder;
    }

    private static ILatentData OpenData(TransformerRunConfig config, UMT5Encoder? text)
    {
        if (!config.Data.EndsWith(".safetensors", StringComparison.Ordinal)) return new LatentFolder(config.Data);
        return text is null
            ? throw new InvalidRequestException("textEncoder", $"{config.Data} has captions as tokens; give the text encoder that turns them into embeddings (textEncoder).")
            : new CaptionedLatents(config.Data, text, config.Placement.Device);
    }

    private static ClipSamples? OpenSamples(
        TransformerRunConfig config, TrainedModel model, TrainedModel? textEncoder, bool distilled, CancellationToken cancellationToken)
    {
        if (config.Samples is not { } samples) return null;
        samples = samples with { TextEncoder = samples.TextEncoder ?? config.TextEncoder };
        return new ClipSamples(model, textEncoder, samples, distilled, config.Placement, config.Output, cancellationToken);
    }

    private static ScoreObserver? OpenScores(
        TransformerRunConfig config, IReadOnlyList<TrainedModel> models, UMT5Encoder? text, bool distilled, CancellationToken cancellationToken)
    {
        if (config.Scores is not { } scores) return null;
        if (text is null) throw new InvalidRequestException("textEncoder", "Scores need the text encoder that turns prompts into embeddings; name its checkpoint (textEncoder).");
        using ICheckpoint checkpoint = Checkpoint.OpenModel(scores.Vae);
        var vae = new WanVae(VaeConfig.FromCheckpoint(checkpoint), config.Placement);
        StrictLoader.Load(vae, checkpoint, cancellationToken: cancellationToken);
        var transformer = (WanModel)models[0].Module;
        var components = new WanComponents
        {
            Name = config.Output,
            Device = config.Placement.Device,
            Tokenizer = SentencePieceTextTokenizer.Open(scores.Tokenizer, scores.TextLength),
            TextEncoder = new ModelSlot<ITextEncoder>((_, _) => text, keepLoaded: true),
            TextEncoderConfig = text.Config,
            Experts = [new ModelSlot<WanModel>((_, _) => transformer, keepLoaded: true)],
            TransformerConfig = transformer.Config,
            Vae = new ModelSlot<WanVae>((_, _) => vae, keepLoaded: true),
            VaeConfig = vae.Config,
        };
        components.Check();
        SamplerKind sampler = scores.Sampler ?? (distilled ? SamplerKind.Rcm : SamplerKind.UniPc);
        var settings = new PipelineRequest
        {
            Prompt = "",
            Width = scores.Width,
            Height = scores.Height,
            Frames = scores.Frames,
            GuidanceScale = scores.Guidance ?? (distilled ? 1 : 5),
            Sampler = new SamplerOptions
            {
                Kind = sampler,
                Steps = scores.Steps ?? (sampler == SamplerKind.Rcm ? 4 : 50),
                SigmaMax = scores.SigmaMax,
                Shift = scores.Shift,
            },
        };
        return new ScoreObserver(models, scores, _ => SceneGenerator.Generations(components, settings), config.Output);
    }

    // Another stream than the training's, which the seed itself names.
    private static PhiloxNoise InitialRandom(RunConfig config) => new(~config.Training.Seed);

    private sealed class Both(IProgress<TrainingProgress> first, IProgress<TrainingProgress>? second) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            first.Report(value);
            second?.Report(value);
        }
    }
}
