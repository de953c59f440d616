using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Emits spans and metrics by the OpenTelemetry semantic conventions for generative AI (version 1.41, which is
/// experimental): the span <c>generate_content {model}</c>, and the histograms
/// <c>gen_ai.client.operation.duration</c> (s), <c>gen_ai.client.operation.time_to_first_chunk</c> (s, streaming only)
/// and <c>gen_ai.client.token.usage</c> ({token}, where the generator counts tokens).
/// </summary>
public sealed partial class OpenTelemetryVideoGenerator : DelegatingVideoGenerator
{
    /// <summary>The name of the source and the meter where none is given.</summary>
    public const string DefaultSourceName = "Experimental.TurboDiffusion.Extensions.AI";

    // Seconds. The conventions' own buckets end at 82 s, where a video may have just begun.
    private static readonly double[] DurationBuckets =
        [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36, 1310.72];

    private readonly ILogger? _logger;
    private readonly ActivitySource _source;
    private readonly Meter _meter;
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _timeToFirstChunk;
    private readonly Histogram<long> _tokenUsage;

    /// <summary>Creates the decorator.</summary>
    /// <param name="innerGenerator">The generator to pass calls on to.</param>
    /// <param name="logger">Where failures are logged as <c>gen_ai.client.operation.exception</c> events.</param>
    /// <param name="sourceName">The name of source and meter; <see langword="null"/> takes <see cref="DefaultSourceName"/>.</param>
    public OpenTelemetryVideoGenerator(IVideoGenerator innerGenerator, ILogger? logger = null, string? sourceName = null)
        : base(innerGenerator)
    {
        _logger = logger;
        var name = string.IsNullOrEmpty(sourceName) ? DefaultSourceName : sourceName;
        _source = new ActivitySource(name);
        _meter = new Meter(name);
        var seconds = new InstrumentAdvice<double> { HistogramBucketBoundaries = DurationBuckets };
        _duration = _meter.CreateHistogram(
            "gen_ai.client.operation.duration", "s", "Duration of the generation.", advice: seconds);
        _timeToFirstChunk = _meter.CreateHistogram(
            "gen_ai.client.operation.time_to_first_chunk", "s", "Time to the first preview, frame or video of a streaming generation.",
            advice: seconds);
        _tokenUsage = _meter.CreateHistogram<long>(
            "gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.");
    }

    /// <summary>
    /// Whether prompts, negative prompts, additional properties of the options and addresses of videos go into the spans. Off, unless the
    /// environment variable <c>OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT</c> is <c>true</c>. Bytes of images and videos never do.
    /// </summary>
    public bool EnableSensitiveData { get; set; } = string.Equals(
        Environment.GetEnvironmentVariable("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"),
        "true",
        StringComparison.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public override async Task<VideoGenerationResponse> GenerateAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        using var activity = Start(request, options, streaming: false);
        var started = Stopwatch.GetTimestamp();
        VideoGenerationResponse? response = null;
        Exception? error = null;
        try
        {
            response = await base.GenerateAsync(request, options, cancellationToken).ConfigureAwait(false);
            return response;
        }
        catch (Exception exception)
        {
            error = exception;
            throw;
        }
        finally
        {
            End(activity, started, options, response, error);
        }
    }

    /// <inheritdoc/>
    public override async IAsyncEnumerable<VideoGenerationResponseUpdate> GenerateStreamingAsync(
        VideoGenerationRequest request,
        VideoGenerationOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var activity = Start(request, options, streaming: true);
        var started = Stopwatch.GetTimestamp();
        TimeSpan? first = null;
        // What a call ended with whose reader left early.
        Exception? error = new OperationCanceledException("The reader left before the videos were finished.");
        // Previews are not kept: a long video has many.
        var kept = new List<VideoGenerationResponseUpdate>();
        IAsyncEnumerator<VideoGenerationResponseUpdate>? updates = null;
        try
        {
            while (true)
            {
                try
                {
                    updates ??= base.GenerateStreamingAsync(request, options, cancellationToken)
                        .GetAsyncEnumerator(cancellationToken);
                    if (!await updates.MoveNextAsync().ConfigureAwait(false))
                    {
                        error = null;
                        break;
                    }
                }
                catch (Exception exception)
                {
                    error = exception;
                    throw;
                }

                // Progress is no part of what was asked for.
                if (updates.Current.Contents.Count > 0)
                    first ??= Stopwatch.GetElapsedTime(started);
                if (updates.Current.Kind == VideoGenerationResponseUpdateKind.VideoUpdated)
                    kept.Add(updates.Current);
                // Nothing is lost on a reader who leaves with the last video.
                if (kept.Sum(Videos) >= (options?.Count ?? 1))
                    error = null;

                yield return updates.Current;

                // The reader's code ran in between and may have left its own activity there (dotnet/runtime#47802).
                Activity.Current = activity;
            }
        }
        finally
        {
            if (updates is not null)
                await updates.DisposeAsync().ConfigureAwait(false);

            if (first is { } elapsed)
            {
                activity?.SetTag("gen_ai.response.time_to_first_chunk", elapsed.TotalSeconds);
                _timeToFirstChunk.Record(elapsed.TotalSeconds, Tags(options, kept.LastOrDefault()?.ModelId, null));
            }

            End(activity, started, options, kept.ToVideoGenerationResponse(), error);
        }
    }

    /// <inheritdoc/>
    public override object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceType == typeof(ActivitySource) && serviceKey is null ? _source : base.GetService(serviceType, serviceKey);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _source.Dispose();
            _meter.Dispose();
        }

        base.Dispose(disposing);
    }

    // Asked for at each call: a generator may come to know its model.
    private VideoGeneratorMetadata? Metadata => InnerGenerator.GetService<VideoGeneratorMetadata>();

    private static int Videos(VideoGenerationResponseUpdate update) => update.Contents.Count(content => content is not UsageContent);

    private Activity? Start(VideoGenerationRequest request, VideoGenerationOptions? options, bool streaming)
    {
        if (!_source.HasListeners())
            return null;

        var model = options?.ModelId ?? Metadata?.DefaultModelId;
        // In the same process there is no client span to make: the conventions permit INTERNAL for such models.
        var activity = _source.StartActivity(
            string.IsNullOrWhiteSpace(model) ? "generate_content" : $"generate_content {model}",
            Metadata?.ProviderUri is null ? ActivityKind.Internal : ActivityKind.Client);
        if (activity is not { IsAllDataRequested: true })
            return activity;

        activity
            .SetTag("gen_ai.operation.name", "generate_content")
            .SetTag("gen_ai.output.type", "video")
            .SetTag("gen_ai.request.model", model)
            .SetTag("gen_ai.provider.name", Metadata?.ProviderName)
            .SetTag("gen_ai.request.choice.count", options?.Count is > 1 ? options.Count : null)
            .SetTag("gen_ai.request.seed", options?.Seed)
            .SetTag("gen_ai.request.stream", streaming ? true : null)
            .SetTag("gen_ai.request.video.width", options?.VideoSize?.Width)
            .SetTag("gen_ai.request.video.height", options?.VideoSize?.Height)
            .SetTag("gen_ai.request.video.duration", options?.Duration?.TotalSeconds)
            .SetTag("gen_ai.request.video.fps", options?.FramesPerSecond);
        if (Metadata?.ProviderUri is { IsAbsoluteUri: true } uri)
            activity.SetTag("server.address", uri.Host).SetTag("server.port", uri.Port);

        if (EnableSensitiveData)
        {
            activity.SetTag("gen_ai.input.messages", TelemetryMessages.Input(request));
            foreach (var (key, value) in options?.AdditionalProperties ?? [])
                activity.SetTag(key, value is AIContent content ? RequestJson.Describe(content).ToJsonString() : value?.ToString());
        }

        return activity;
    }

    private void End(
        Activity? activity,
        long started,
        VideoGenerationOptions? options,
        VideoGenerationResponse? response,
        Exception? error)
    {
        _duration.Record(Stopwatch.GetElapsedTime(started).TotalSeconds, Tags(options, response?.ModelId, error));
        RecordTokens(options, response, "input", response?.Usage?.InputTokenCount);
        RecordTokens(options, response, "output", response?.Usage?.OutputTokenCount);
        if (error is not null)
        {
            activity?.SetTag("error.type", error.GetType().FullName).SetStatus(ActivityStatusCode.Error, error.Message);
            if (_logger is not null && error is not OperationCanceledException)
                LogException(_logger, error);
        }

        if (activity is not { IsAllDataRequested: true } || response is null)
            return;

        activity
            .SetTag("gen_ai.response.id", response.ResponseId)
            .SetTag("gen_ai.response.model", response.ModelId)
            .SetTag("gen_ai.usage.input_tokens", response.Usage?.InputTokenCount)
            .SetTag("gen_ai.usage.output_tokens", response.Usage?.OutputTokenCount);
        if (EnableSensitiveData)
            activity.SetTag("gen_ai.output.messages", TelemetryMessages.Output(response));
    }

    private void RecordTokens(
        VideoGenerationOptions? options, VideoGenerationResponse? response, string type, long? count)
    {
        if (count is null)
            return;

        var tags = Tags(options, response?.ModelId, null);
        tags.Add("gen_ai.token.type", type);
        _tokenUsage.Record(count.Value, tags);
    }

    private TagList Tags(VideoGenerationOptions? options, string? responseModel, Exception? error)
    {
        var tags = new TagList { { "gen_ai.operation.name", "generate_content" } };
        AddIfKnown("gen_ai.request.model", options?.ModelId ?? Metadata?.DefaultModelId);
        AddIfKnown("gen_ai.provider.name", Metadata?.ProviderName);
        AddIfKnown("gen_ai.response.model", responseModel);
        AddIfKnown("error.type", error?.GetType().FullName);
        if (Metadata?.ProviderUri is { IsAbsoluteUri: true } uri)
        {
            tags.Add("server.address", uri.Host);
            tags.Add("server.port", uri.Port);
        }

        return tags;

        void AddIfKnown(string key, string? value)
        {
            if (value is not null)
                tags.Add(key, value);
        }
    }

    [LoggerMessage(EventName = "gen_ai.client.operation.exception", Level = LogLevel.Warning,
        Message = "Generating a video failed.")]
    private static partial void LogException(ILogger logger, Exception exception);
}
