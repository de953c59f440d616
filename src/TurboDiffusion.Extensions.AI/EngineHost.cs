using Microsoft.Extensions.Logging;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Holds the model: opened once, at the first request, and freed when it is disposed and nobody uses it any more. Its
/// caller sees to it that one generation runs at a time.
/// </summary>
internal sealed partial class EngineHost : IDisposable
{
    private readonly TurboDiffusionOptions _options;
    private readonly ILogger _logger;
    private readonly Lazy<string> _device;
    private readonly Lock _state = new();
    private VideoModel? _model;
    private bool _running;
    private bool _disposed;

    public EngineHost(TurboDiffusionOptions options, ILogger logger)
    {
        _options = options;
        _logger = logger;
        // Not kept where it fails: a missing GPU may come.
        _device = new Lazy<string>(() => Devices.Parse(options.Device).ToString(), LazyThreadSafetyMode.PublicationOnly);
    }

    public string Device => _device.Value;

    /// <summary>The model that is open, in words.</summary>
    public string? Identity { get; private set; }

    /// <summary>Why the last generation failed, unless the request was at fault or it was cancelled.</summary>
    public Exception? LastError { get; private set; }

    public IReadOnlyList<VideoResult> Generate(
        string? modelId,
        Func<GenerationDefaults, VideoRequest> translate,
        Action<GenerationProgress> onProgress,
        Func<int, IVideoReceiver?> frames,
        CancellationToken cancellationToken)
    {
        lock (_state)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(TurboDiffusionVideoGenerator));
            _running = true;
        }

        try
        {
            var model = _model ??= Open();
            if (modelId is not null && modelId != _options.Model && modelId != model.Identity.Name)
            {
                throw new InvalidRequestException(
                    "model", $"This generator runs the model '{model.Identity.Name}', not '{modelId}'; register one generator for each model.");
            }

            using var telemetry = new StageTelemetry(_options.Model ?? "trial");
            using var log = new StageLog(_logger);
            var request = translate(model.Defaults);
            var videos = model.Generate(
                request,
                new Progress(progress =>
                {
                    telemetry.Report(progress);
                    log.Report(progress);
                    onProgress(progress);
                }),
                frames(request.Frames ?? model.Defaults.Frames),
                cancellationToken);
            telemetry.Complete(videos);
            LastError = null;
            return videos;
        }
        catch (Exception exception) when (exception is not (OperationCanceledException or InvalidRequestException or ObjectDisposedException))
        {
            LastError = exception;
            throw;
        }
        finally
        {
            lock (_state)
            {
                _running = false;
                if (_disposed)
                    _model?.Dispose();
            }
        }
    }

    public void Dispose()
    {
        lock (_state)
        {
            if (_disposed)
                return;

            _disposed = true;
            if (!_running)
                _model?.Dispose();
        }
    }

    private VideoModel Open()
    {
        var model = VideoModel.Open(ModelLibrary.Find(_options.Model), new VideoModelOptions
        {
            Device = _options.Device,
            Attention = _options.Attention,
            TopKRatio = _options.TopKRatio,
            Weights = _options.Weights,
            Loras = _options.ParsedLoras(),
            LowMemory = _options.LowMemory,
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

    /// <summary>Calls at once, on the engine's thread; <see cref="Progress{T}"/> would lose the order.</summary>
    private sealed class Progress(Action<GenerationProgress> report) : IProgress<GenerationProgress>
    {
        public void Report(GenerationProgress value) => report(value);
    }
}
