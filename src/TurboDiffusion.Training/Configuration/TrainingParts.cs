using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Networks;
using TurboDiffusion.Training.Samples;

namespace TurboDiffusion.Training.Configuration;

/// <summary>What a configuration is made of: models and data, opened, and the task that trains them.</summary>
internal sealed class TrainingParts : IDisposable
{
    private readonly Stack<IDisposable> _owned = [];
    private readonly List<ITrainingObserver> _observers = [];
    private readonly CancellationToken _cancellationToken;
    private UMT5Encoder? _text;

    /// <summary>Opens everything.</summary>
    /// <param name="config">The run.</param>
    /// <param name="cancellationToken">Ends the loading.</param>
    /// <exception cref="TurboDiffusionException">The configuration, the data or a checkpoint cannot be used.</exception>
    public TrainingParts(RunConfig config, CancellationToken cancellationToken)
    {
        _cancellationToken = cancellationToken;
        try
        {
            (Task, Result) = config switch
            {
                TeacherConfig teacher => Open(teacher),
                SlaConfig sla => Open(sla),
                RcmConfig rcm => Open(rcm),
                VaeTrainingConfig vae => Open(vae),
                _ => throw new ArgumentException($"There is no training of the kind {config.GetType().Name}.", nameof(config)),
            };
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The training.</summary>
    public ITrainingTask Task { get; }

    /// <summary>The model that it is for.</summary>
    public TrainedModel Result { get; }

    /// <summary>The text encoder, where one is trained along.</summary>
    public TrainedModel? TextEncoder { get; private set; }

    /// <summary>What makes samples and scores, where some are asked for.</summary>
    public IReadOnlyList<ITrainingObserver> Observers => _observers;

    /// <inheritdoc/>
    public void Dispose()
    {
        while (_owned.TryPop(out IDisposable? part)) part.Dispose();
    }

    private (ITrainingTask, TrainedModel) Open(TeacherConfig config)
    {
        if (config.Model is null == config.Initial is null)
            throw new InvalidRequestException("model",
                "Give either the dimensions of a new model (model) or the checkpoint to begin from (initial).");
        if (config.Lora is not null && (config.Initial is null || config.NewTextEncoder is not null))
            throw new InvalidRequestException("lora",
                "A LoRA is trained for a model that stays as it is: name its checkpoint (initial), and no new model or text encoder.");
        UMT5Encoder? text = _text = config.NewTextEncoder is { } dimensions
            ? Owned(new UMT5Encoder(dimensions, config.Placement))
            : OpenTextEncoder(config);
        if (config.NewTextEncoder is not null) WeightInitialization.Initialize(text!, InitialRandom(config));
        ILatentData data = OpenData(config, text, config.Model ?? Dimensions(config.Initial!));
        WanModel model = config.Initial is { } initial ? LoadTrained(initial, AttentionOptions.Dense, config, null)
            : NewModel(config.Model!, config);
        TeacherTraining task = Owned(new TeacherTraining(
            model, data, config.Times.Create(), config.ConditionDropout, config.Training, config.NewTextEncoder is null ? null : text));
        TextEncoder = task.TextEncoder;
        OpenSamples(config, task.Model, distilled: false);
        return (task, task.Model);
    }

    private (ITrainingTask, TrainedModel) Open(SlaConfig config)
    {
        ILatentData data = OpenData(config, OpenTextEncoder(config), Dimensions(config.Teacher));
        WanModel teacher = Load(config.Teacher, AttentionOptions.Dense, config);
        if (config.Lora?.Attention is not null)
            throw new InvalidRequestException("lora",
                "The LoRA names its attention, and SLA tuning has its own: topK, queryBlock and keyBlock beside \"lora\".");
        AttentionOptions sparse = AttentionOptions.Sla(config.TopK, config.QueryBlock, config.KeyBlock);
        WanModel student = LoadTrained(config.Initial, sparse, config, (config.Teacher, teacher));
        SlaTuning task = Owned(new SlaTuning(student, teacher, data, config.Times.Create(), config.Training));
        OpenSamples(config, task.Model, distilled: false);
        return (task, task.Model);
    }

    private (ITrainingTask, TrainedModel) Open(RcmConfig config)
    {
        ILatentData data = OpenData(config, OpenTextEncoder(config), Dimensions(config.Teacher));
        WanModel teacher = Load(config.Teacher, AttentionOptions.Dense, config),
            student = LoadTrained(config.Initial, AttentionOptions.Dense, config, (config.Teacher, teacher));
        WanModel? critic = config.Rcm.DistributionScale > 0 ? LoadCritic(config, teacher) : null;
        RcmDistillation task = Owned(new RcmDistillation(
            student, teacher, critic, data, config.ConsistencyTimes.Create(), config.MatchingTimes.Create(), config.Rcm,
            config.CriticOptimizer,
            config.Training));
        OpenSamples(config, task.Student, distilled: true);
        return (task, task.Student);
    }

    private (ITrainingTask, TrainedModel) Open(VaeTrainingConfig config)
    {
        if (config.Width is null && config.Initial is null)
            throw new InvalidRequestException("width",
                "Give the width of a new VAE (width) or the checkpoint to begin from (initial).");
        CheckWidth("width", config.Width);
        CheckWidth("decoderWidth", config.DecoderWidth);
        if (config.Data is null == config.World is null)
            throw new InvalidRequestException("data", "Give either a folder of clips (data) or what to render (world).");
        IClipData data = config.World is { } world
            ? Owned(WorldClips.Render(world, config.Frames, config.Height, config.CropWidth, config.Placement.Device, _cancellationToken))
            : Owned(new ClipFolder(config.Data!, config.Frames, config.Height, config.CropWidth));
        WanVae vae = OpenVae(config);
        VaeTraining task = Owned(new VaeTraining(vae, data, config.Loss, config.Training, config.DecoderOnly));
        if (config.Samples is { } samples) _observers.Add(Owned(new ReconstructionSamples(task.Model, data, samples, config.Output)));
        if (config.Scores is { } scores)
            _observers.Add(new ScoreObserver(task.Models, scores,
                clips => SceneGenerator.Reconstructions(vae, config.Placement.Device, clips), config.Output));
        return (task, task.Model);
    }

    private static void CheckWidth(string name, int? width)
    {
        if (width is < 1 or > VaeTrainingConfig.MostWidth)
            throw new InvalidRequestException(name,
                $"The {name} is {width}; give 1 to {VaeTrainingConfig.MostWidth}. Wan's own autoencoder has 96.");
    }

    private WanVae OpenVae(VaeTrainingConfig config)
    {
        if (config.Initial is null)
        {
            int width = config.Width!.Value;
            WanVae created = NewVae(VaeConfig.WithDim(width).OfWidths(width, config.DecoderWidth ?? width), config);
            WeightInitialization.Initialize(created, InitialRandom(config));
            return created;
        }
        using ICheckpoint checkpoint = Checkpoint.OpenModel(config.Initial);
        VaeConfig sizes = VaeConfig.FromCheckpoint(checkpoint),
            wider = sizes.OfWidths(config.Width ?? sizes.Dim, config.DecoderWidth ?? sizes.DecoderDim);
        WanVae vae = NewVae(wider, config);
        if (wider.Equals(sizes))
        {
            StrictLoader.Load(vae, checkpoint, cancellationToken: _cancellationToken);
            return vae;
        }
        using var narrow = new WanVae(sizes, config.Placement);
        StrictLoader.Load(narrow, checkpoint, cancellationToken: _cancellationToken);
        VaeWidening.Widen(narrow, vae, InitialRandom(config));
        return vae;
    }

    private WanVae NewVae(VaeConfig sizes, VaeTrainingConfig config) => Owned(new WanVae(sizes, config.Placement));

    private WanModel NewModel(WanConfig dimensions, RunConfig config)
    {
        WanModel model = Owned(new WanModel(dimensions, AttentionOptions.Dense, WeightFormat.Float, config.Placement));
        model.RecomputesActivations = config.RecomputeActivations;
        WeightInitialization.Initialize(model, InitialRandom(config));
        return model;
    }

    // What is trained: all of a model, or low-rank factors beside its weights. Without a checkpoint of its own it is the teacher's, whose
    // memory a LoRA's base shares where it can.
    private WanModel LoadTrained(
        string? initial, AttentionOptions attention, TransformerRunConfig config, (string Path, WanModel Model)? teacher)
    {
        if (config.Lora is { Attention: { } kind } through)
            attention = kind is AttentionKind.Dense or AttentionKind.Sla ? AttentionOptions.Of(kind, through.TopK, through.Block)
                : throw new InvalidRequestException("lora",
                    $"The LoRA is to be trained through {kind} attention, which has no gradients; train through dense or sla, and run it "
                        + "with any.");
        string path = initial ?? teacher!.Value.Path;
        WanModel model = Load(path, attention, config, config.Lora is { } lora ? lora.Weights : WeightFormat.Float);
        if (teacher is { } t) Check(model.Config, t.Model.Config, path);
        if (config.Lora is not { } factors) return model;
        if (initial is null) Weights.Share(teacher!.Value.Model, model);
        LoraFactors.Add(model, factors, InitialRandom(config));
        return model;
    }

    // Beside a student that is a LoRA, the critic is one, too.
    private WanModel LoadCritic(RcmConfig config, WanModel teacher)
    {
        WanModel critic = Load(config.Teacher, AttentionOptions.Dense, config);
        if (config.Lora is not { } lora) return critic;
        Weights.Share(teacher, critic);
        LoraFactors.Add(critic, lora, InitialRandom(config));
        return critic;
    }

    private WanModel Load(string path, AttentionOptions attention, RunConfig config, WeightFormat? weights = WeightFormat.Float)
    {
        using ICheckpoint checkpoint = Checkpoint.OpenModel(path);
        WanModel model = Owned(WanCheckpoint.Load(checkpoint, attention, weights ?? WanVariant.Of(checkpoint).Weights, config.Placement,
            cancellationToken: _cancellationToken));
        model.RecomputesActivations = config.RecomputeActivations;
        return model;
    }

    private static void Check(WanConfig model, WanConfig teacher, string path)
    {
        if (Kind(model) != Kind(teacher))
            throw new CheckpointException(path,
                $"takes {Described(model)}; the teacher {Described(teacher)}. Begin from a model of the teacher's kind.");

        static (int, int, int, int, int) Kind(WanConfig c) => (c.InDim, c.OutDim, c.TextDim, c.ImageDim, c.ImagePositions);

        static string Described(WanConfig c) =>
            $"{c.InDim} channels, texts of width {c.TextDim}{(c.HasImageBranch ? $" and images' tokens of width {c.ImageDim}" : "")}, and "
                + $"gives {c.OutDim} channels";
    }

    private UMT5Encoder? OpenTextEncoder(TransformerRunConfig config)
    {
        if (config.TextEncoder is null) return null;
        using ICheckpoint checkpoint = Checkpoint.OpenModel(config.TextEncoder);
        return _text = Owned(
            UMT5Checkpoint.Load(checkpoint, WeightFormat.Float, config.Placement, cancellationToken: _cancellationToken));
    }

    private ILatentData OpenData(TransformerRunConfig config, UMT5Encoder? text, WanConfig model)
    {
        if (!config.Data.EndsWith(".safetensors", StringComparison.Ordinal))
        {
            var folder = new LatentFolder(config.Data);
            folder.CheckFor(model);
            return folder;
        }
        if (model.IsImageToVideo)
            throw new InvalidRequestException("data",
                $"{config.Data} has captions and no images, which the model takes beside the video; give a folder of encoded videos.");
        return text is not null ? Owned(new CaptionedLatents(config.Data, text, config.Placement.Device))
            : throw new InvalidRequestException("textEncoder",
            $"{config.Data} has captions as tokens; give the text encoder that turns them into embeddings (textEncoder).");
    }

    private static WanConfig Dimensions(string path)
    {
        using ICheckpoint checkpoint = Checkpoint.OpenModel(path);
        return WanCheckpoint.ReadConfig(checkpoint);
    }

    private void OpenSamples(TransformerRunConfig config, TrainedModel model, bool distilled)
    {
        if (config.Samples is { } samples)
        {
            samples = samples with { TextEncoder = samples.TextEncoder ?? config.TextEncoder };
            _observers.Add(Owned(new ClipSamples(model, TextEncoder, samples, distilled, config.Placement, config.Output,
                _cancellationToken)));
        }
        if (config.Scores is not { } scores) return;
        UMT5Encoder text = _text ?? throw new InvalidRequestException("textEncoder",
            "Scores need the text encoder that turns prompts into embeddings; name its checkpoint (textEncoder).");
        using ICheckpoint checkpoint = Checkpoint.OpenModel(scores.Vae);
        WanVae vae = Owned(new WanVae(VaeConfig.FromCheckpoint(checkpoint), config.Placement));
        StrictLoader.Load(vae, checkpoint, cancellationToken: _cancellationToken);
        _observers.Add(new ScoreObserver(TextEncoder is null ? [model] : [model, TextEncoder], scores,
            _ => SceneGenerator.Generations((WanModel)model.Module, text, scores, distilled, vae, config.Placement.Device), config.Output));
    }

    // Another stream than the training's, which the seed itself names.
    private static PhiloxNoise InitialRandom(RunConfig config) => new(~config.Training.Seed);

    private T Owned<T>(T part)
        where T : IDisposable
    {
        _owned.Push(part);
        return part;
    }
}
