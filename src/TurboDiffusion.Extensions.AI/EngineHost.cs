using Microsoft.Extensions.Logging;
using TorchSharp;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Holds the model: opened once, when it is first needed, and freed when it is disposed and nobody uses it any more. Its
/// caller sees to it that one generation runs at a time.
/// </summary>
internal sealed partial class EngineHost : IDisposable
{
    private readonly TurboDiffusionOptions _options;
    private readonly ILogger _logger;
    private bool _notedMachine;
    private readonly Lazy<string> _device;
    private readonly Lock _state = new();
    private VideoModel? _model;
    private readonly Lock _opening = new();
    private readonly SemaphoreSlim _fingerprinting = new(1);
    private string? _fingerprint;
    private int _users;
    private bool _disposed;

    public EngineHost(TurboDiffusionOptions options, ILogger logger)
    {
        _options = options;
        _logger = logger;
        // Not kept where it fails: a missing GPU may come.
        _device = new Lazy<string>(() => Devices.Parse(options.Device).ToString(), LazyThreadSafetyMode.PublicationOnly);
    }

    /// <exception cref="TurboDiffusionException">There is no such device, or no libtorch.</exception>
    public string Device
    {
        get
        {
            try
            {
                return _device.Value;
            }
            catch (TurboDiffusionException exception)
            {
                LastError = exception;
                throw;
            }
        }
    }

    /// <summary>The model that is open, in words.</summary>
    public string? Identity { get; private set; }

    /// <summary>Why the last generation failed, unless the request was at fault or it was cancelled.</summary>
    public Exception? LastError { get; private set; }

    public IReadOnlyList<VideoResult> Generate(
        string? modelId,
        Func<ModelSpec, VideoRequest> translate,
        Action<GenerationProgress> onProgress,
        Func<int, IVideoObserver?> observer,
        CancellationToken cancellationToken)
    {
        using var use = Use();
        try
        {
            var model = Opened(modelId);
            using var telemetry = new StageTelemetry(model.Identity.Name);
            using var log = new StageLog(_logger);
            var request = translate(model.Spec);
            if (request.Loras is not null)
            {
                foreach (var warning in model.WarningsOf(request))
                    LogWarning(warning);
            }

            var videos = model.Generate(
                request,
                new Progress(progress =>
                {
                    telemetry.Report(progress);
                    log.Report(progress);
                    onProgress(progress);
                }),
                observer(request.Frames ?? model.Spec.Frames),
                cancellationToken);
            if (VideoModel.MachineNote is { } note && !_notedMachine)
            {
                _notedMachine = true;
                LogWarning(note);
            }

            telemetry.Complete(videos);
            LastError = null;
            return videos;
        }
        catch (Exception exception)
            when (exception is not (OperationCanceledException or InvalidRequestException or ObjectDisposedException))
        {
            LastError = exception;
            throw;
        }
    }

    /// <summary>Refuses a request that the model cannot meet. Safe while a generation runs.</summary>
    /// <returns>What would be made.</returns>
    /// <exception cref="TurboDiffusionException">It cannot be met, or the model cannot be opened.</exception>
    public VideoInfo Check(string? modelId, Func<ModelSpec, VideoRequest> translate)
    {
        using var use = Use();
        using var scope = torch.NewDisposeScope();
        var model = Opened(modelId);
        var request = translate(model.Spec);
        var plan = model.Plan(request);
        var rate = request.FramesPerSecond ?? model.Spec.FramesPerSecond;
        return new VideoInfo(plan.Width, plan.Height, plan.Frames, rate, (long?)request.Seed, model.NoteOn(request.Prompt));
    }

    /// <summary>A digest of the model and of how it is run. All weights are read for it, once.</summary>
    public async Task<string> FingerprintAsync(CancellationToken cancellationToken)
    {
        await _fingerprinting.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return _fingerprint ??= await Task.Run(
                () =>
                {
                    using var use = Use();
                    return Opened().Fingerprint(cancellationToken);
                },
                cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _fingerprinting.Release();
        }
    }

    public void Dispose()
    {
        lock (_state)
        {
            if (_disposed)
                return;

            _disposed = true;
            if (_users == 0)
                _model?.Dispose();
        }
    }

    /// <summary>Keeps the model while it is used; the last user of a disposed one frees it.</summary>
    private Usage Use()
    {
        lock (_state)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(TurboDiffusionVideoGenerator));
            _users++;
        }

        return new Usage(this);
    }

    private void EndUse()
    {
        lock (_state)
        {
            if (--_users == 0 && _disposed)
                _model?.Dispose();
        }
    }

    /// <exception cref="InvalidRequestException">Another model is asked for.</exception>
    private VideoModel Opened(string? modelId)
    {
        var model = Opened();
        return modelId is null || modelId == _options.Model || modelId == model.Identity.Name ? model
            : throw new InvalidRequestException(
                "model", $"This generator runs the model '{model.Identity.Name}', not '{modelId}'; register one generator for each model.");
    }

    private VideoModel Opened()
    {
        lock (_opening)
            return _model ??= Open();
    }

    private VideoModel Open()
    {
        var model = VideoModel.Open(ModelLibrary.Find(_options.Model), new VideoModelOptions
        {
            Device = _options.Device,
            Attention = _options.Attention,
            TopKRatio = _options.TopKRatio,
            Weights = _options.Weights,
            TextEncoderWeights = _options.TextEncoderWeights,
            Dtype = _options.Dtype,
            Boundary = _options.Boundary,
            TinyVae = _options.TinyVae,
            Loras = _options.ParsedLoras(),
            MaxLoraSets = _options.MaxLoraSets,
            Residency = _options.Residency,
        });
        Identity = model.Identity.ToString();
        LogOpened(Identity);
        foreach (var warning in model.Warnings)
            LogWarning(warning);
        return model;
    }

    [LoggerMessage(LogLevel.Information, "Opened the model {Identity}.")]
    private partial void LogOpened(string identity);

    [LoggerMessage(LogLevel.Warning, "{Warning}")]
    private partial void LogWarning(string warning);

    private sealed class Usage(EngineHost host) : IDisposable
    {
        public void Dispose() => host.EndUse();
    }

    /// <summary>Calls at once, on the engine's thread; <see cref="Progress{T}"/> would lose the order.</summary>
    private sealed class Progress(Action<GenerationProgress> report) : IProgress<GenerationProgress>
    {
        public void Report(GenerationProgress value) => report(value);
    }
}
