using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Generates videos with the TurboDiffusion engine in this process.</summary>
/// <remarks>
/// The model is opened at the first request and kept. Generation runs on a thread of its own, one at a time on each
/// device; further requests wait in a bounded queue, in order. Cancellation, leaving a streaming call, and disposal end
/// a generation within one transformer block. Spans and metrics of the stages are emitted from the source and meter
/// <see cref="OpenTelemetryVideoGenerator.DefaultSourceName"/>.
/// </remarks>
public sealed class TurboDiffusionVideoGenerator : IVideoGenerator, IVideoModelFingerprint, IVideoRequestCheck
{
    private readonly TurboDiffusionOptions _options;
    private readonly EngineHost _engine;
    private VideoGeneratorMetadata? _metadata;
    private readonly CancellationTokenSource _disposing = new();
    private int _waiting;

    /// <summary>Creates the generator. Nothing is loaded until the first request.</summary>
    /// <param name="options">Which model, and how it is run; do not change them afterwards.</param>
    /// <param name="logger">Told of loading and of the stages.</param>
    public TurboDiffusionVideoGenerator(
        TurboDiffusionOptions? options = null, ILogger<TurboDiffusionVideoGenerator>? logger = null)
    {
        _options = options ?? new TurboDiffusionOptions();
        _engine = new EngineHost(_options, logger ?? NullLogger<TurboDiffusionVideoGenerator>.Instance);
    }

    /// <inheritdoc/>
    /// <exception cref="TurboDiffusionException">The request cannot be met.</exception>
    /// <exception cref="VideoGeneratorQueueFullException">Too many requests wait for the device.</exception>
    /// <exception cref="ObjectDisposedException">The generator was disposed before the call ended.</exception>
    public Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default) =>
        GenerateStreamingAsync(request, options, cancellationToken).ToVideoGenerationResponseAsync(cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="TurboDiffusionException">The request cannot be met.</exception>
    /// <exception cref="VideoGeneratorQueueFullException">Too many requests wait for the device.</exception>
    /// <exception cref="ObjectDisposedException">The generator was disposed before the call ended.</exception>
    public IAsyncEnumerable<VideoGenerationResponseUpdate> GenerateStreamingAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return StreamAsync(request, options ?? new VideoGenerationOptions(), cancellationToken);
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(VideoGeneratorMetadata) ? Metadata()
            : serviceType == typeof(TurboDiffusionOptions) ? _options
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <summary>
    /// Ends what runs and refuses what waits. The model is freed at once, or when the running generation has stopped.
    /// </summary>
    public void Dispose()
    {
        _disposing.Cancel();
        _engine.Dispose();
    }

    /// <inheritdoc/>
    /// <exception cref="TurboDiffusionException">The model cannot be read.</exception>
    async ValueTask<string> IVideoModelFingerprint.GetFingerprintAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposing.Token);
        return await _engine.FingerprintAsync(stop.Token).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// The model is opened for it; weights are not read. LoRAs of the request and what depends on the machine at that moment (memory, the
    /// disk) are looked at when it runs.
    /// </remarks>
    /// <exception cref="TurboDiffusionException">The request cannot be met, or the model cannot be read.</exception>
    async ValueTask<VideoInfo> IVideoRequestCheck.CheckAsync(
        VideoGenerationRequest request, VideoGenerationOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        options ??= new VideoGenerationOptions();
        var raw = RawOptions(options);
        var path = raw.OutputPath ?? NewPath(OutputPath, options.MediaType);
        return await Task.Run(
            () => _engine.Check(
                options.ModelId, spec => RequestTranslation.Translate(request, options, raw, spec, path) with { Loras = null }),
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What a health check tells: the model, whether it is loaded, and who waits.</summary>
    internal (string? Model, string? Identity, int Waiting, Exception? LastError) State =>
        (Metadata().DefaultModelId, _engine.Identity, _waiting, _engine.LastError ?? MissingLibTorch());

    private static EnvironmentException? MissingLibTorch()
    {
        try
        {
            LibTorch.Require();
            return null;
        }
        catch (EnvironmentException exception)
        {
            return exception;
        }
    }

    private VideoGeneratorMetadata Metadata()
    {
        if (_metadata is { } known)
            return known;

        try
        {
            return _metadata = Create(ModelLibrary.NameOf(_options.Model));
        }
        catch (TurboDiffusionException)
        {
            // The model is not there, or not yet: the first request says so.
            return Create(_options.Model);
        }

        VideoGeneratorMetadata Create(string? model) => new("turbodiffusion", providerUri: null, model, OutputPath);
    }

    private async IAsyncEnumerable<VideoGenerationResponseUpdate> StreamAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions options,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposing.IsCancellationRequested, this);
        cancellationToken.ThrowIfCancellationRequested();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposing.Token);
        var updates = Channel.CreateUnbounded<VideoGenerationResponseUpdate>(new() { SingleReader = true });
        var run = RunAsync(request, options, updates.Writer, stop.Token);
        try
        {
            await foreach (var update in updates.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
                yield return update;

            await FinishAsync(run, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // A reader who leaves early waits until the engine has stopped, so that nothing runs on unseen.
            await stop.CancelAsync().ConfigureAwait(false);
            await run.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task FinishAsync(Task run, CancellationToken cancellationToken)
    {
        try
        {
            await run.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(_disposing.IsCancellationRequested, this);
            throw;
        }
    }

    private async Task RunAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions options,
        ChannelWriter<VideoGenerationResponseUpdate> updates,
        CancellationToken cancellationToken)
    {
        try
        {
            // The first look at a device loads libtorch; nothing of that happens on the caller's thread.
            var device = await Task.Run(() => _engine.Device, cancellationToken).ConfigureAwait(false);
            using var turn = await WaitAsync(DeviceQueue.Of(device), updates, cancellationToken).ConfigureAwait(false);
            await Task.Factory.StartNew(
                () => Generate(request, options, updates, cancellationToken),
                cancellationToken,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default).ConfigureAwait(false);
        }
        finally
        {
            updates.Complete();
        }
    }

    private async Task<IDisposable> WaitAsync(
        System.Threading.RateLimiting.RateLimiter queue,
        ChannelWriter<VideoGenerationResponseUpdate> updates,
        CancellationToken cancellationToken)
    {
        var turn = queue.AttemptAcquire();
        if (turn.IsAcquired)
            return turn;

        try
        {
            if (Interlocked.Increment(ref _waiting) > _options.MaxQueuedRequests)
            {
                throw new VideoGeneratorQueueFullException(
                    $"The queue of the video generator is full: {_options.MaxQueuedRequests} requests are waiting. Try again later, or "
                        + $"raise {nameof(TurboDiffusionOptions.MaxQueuedRequests)}.");
            }

            var acquisition = queue.AcquireAsync(1, cancellationToken);
            updates.TryWrite(new VideoGenerationResponseUpdate
            {
                Kind = VideoGenerationResponseUpdateKind.Queued,
                Progress = new(null, QueuePosition: (int)Math.Max(1, queue.GetStatistics()?.CurrentQueuedCount ?? 1)),
            });
            return await acquisition.ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    private void Generate(
        VideoGenerationRequest request,
        VideoGenerationOptions options,
        ChannelWriter<VideoGenerationResponseUpdate> updates,
        CancellationToken cancellationToken)
    {
        var raw = RawOptions(options);
        if (options.ResponseFormat == VideoGenerationResponseFormat.Hosted)
            throw new InvalidRequestException("response format", "This generator keeps no videos to name; ask for a URI or for the bytes.");

        var responseId = Guid.NewGuid().ToString("N");
        var asData = options.ResponseFormat == VideoGenerationResponseFormat.Data;
        // Bytes that were asked for leave no file, unless one was named.
        using var scratch = asData && raw.OutputPath is null ? new ScratchFolder("a video that is returned as bytes") : null;
        var path = raw.OutputPath ?? NewPath(scratch?.Path ?? OutputDirectory(), options.MediaType);
        if (asData && Path.EndsInDirectorySeparator(path))
            throw new InvalidRequestException("media type",
                "A folder of frames cannot be returned as bytes; ask for a URI, or another media type.");

        var videos = _engine.Generate(
            options.ModelId,
            defaults => RequestTranslation.Translate(request, options, raw, defaults, path),
            progress => updates.TryWrite(new VideoGenerationResponseUpdate
            {
                Kind = VideoGenerationResponseUpdateKind.Progress,
                ResponseId = responseId,
                Progress = new(
                    StageTelemetry.NameOf(progress.Stage), progress.Step, progress.TotalSteps, progress.Percent, progress.Elapsed,
                    progress.Remaining),
            }),
            totalFrames => options.StreamingCount > 0 || raw.StreamFrames || raw.StreamSteps
                ? new FrameStream(options.StreamingCount ?? 0, raw.StreamFrames, raw.StreamSteps, totalFrames, update =>
                {
                    update.ResponseId = responseId;
                    updates.TryWrite(update);
                })
                : null,
            cancellationToken);
        foreach (var video in videos)
        {
            updates.TryWrite(new VideoGenerationResponseUpdate([Content(video, asData)])
            {
                Kind = VideoGenerationResponseUpdateKind.VideoUpdated,
                ResponseId = responseId,
                ModelId = video.Model.Name,
                RawRepresentation = video,
            });
        }
    }

    private string OutputPath => Path.GetFullPath(
        _options.OutputDirectory ?? Path.Combine(Path.GetTempPath(), "turbodiffusion-videos"));

    private string OutputDirectory()
    {
        var folder = OutputPath;
        try
        {
            return Directory.CreateDirectory(folder).FullName;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException("disk", $"The output folder {folder} cannot be made: {exception.Message}", exception);
        }
    }

    private TurboDiffusionRequestOptions RawOptions(VideoGenerationOptions options) => options.RawRepresentationFactory?.Invoke(this) switch
    {
        null => new TurboDiffusionRequestOptions(),
        TurboDiffusionRequestOptions raw => raw,
        var other => throw new InvalidRequestException(
            "options", $"{nameof(VideoGenerationOptions.RawRepresentationFactory)} returned a {other.GetType()}; it must return "
                + $"{nameof(TurboDiffusionRequestOptions)} or null."),
    };

    private static string NewPath(string folder, string? mediaType) =>
        Path.Combine(folder, Guid.NewGuid().ToString("N") + RequestTranslation.Extension(mediaType));

    private static AIContent Content(VideoResult video, bool asData)
    {
        var mediaType = RequestTranslation.MediaType(video.Path);
        var info = new VideoInfo(video.Width, video.Height, video.Frames, video.FramesPerSecond,
            // Beyond what the options can say, where counting on from a given seed leads.
            video.Seed <= long.MaxValue ? (long)video.Seed : null, video.Note);
        return asData
            ? new DataContent(InputFile.ReadBytes(video.Path, Array.MaxLength), mediaType).WithVideoInfo(info)
            // A URI of its own text: one that is made from a path is written to JSON without its scheme.
            : new UriContent(new Uri(new Uri(video.Path).AbsoluteUri), mediaType).WithVideoInfo(info);
    }
}
