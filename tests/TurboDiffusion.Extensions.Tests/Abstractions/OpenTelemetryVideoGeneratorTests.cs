using System.Diagnostics;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.Abstractions;

public sealed class OpenTelemetryVideoGeneratorTests : IDisposable
{
    private readonly string _source = Guid.NewGuid().ToString();
    private readonly List<Activity> _spans = [];
    private readonly List<Metric> _metrics = [];
    private readonly TracerProvider _tracing;
    private readonly MeterProvider _metering;

    public OpenTelemetryVideoGeneratorTests()
    {
        _tracing = Sdk.CreateTracerProviderBuilder().AddSource(_source).AddInMemoryExporter(_spans).Build();
        _metering = Sdk.CreateMeterProviderBuilder().AddMeter(_source).AddInMemoryExporter(_metrics).Build();
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task A_call_is_one_span_with_the_conventions_tags(bool streaming, bool sensitive)
    {
        var logs = new LogCollector();
        using var generator = Generator(new TestVideoGenerator(), sensitive, logs);
        var options = new VideoGenerationOptions
        {
            Seed = 7,
            Count = 2,
            VideoSize = new(64, 32),
            Duration = TimeSpan.FromSeconds(5),
            FramesPerSecond = 16,
        };
        var request = new VideoGenerationRequest("a secret cat", new DataContent(new byte[] { 1, 2 }, "image/png"))
        {
            NegativePrompt = "a secret dog",
        };

        await Run(generator, streaming, request, options);

        var span = Assert.Single(_spans);
        Assert.Equal("generate_content test-model", span.DisplayName);
        Assert.Equal(ActivityKind.Internal, span.Kind);
        Assert.Equal("generate_content", span.GetTagItem("gen_ai.operation.name"));
        Assert.Equal("video", span.GetTagItem("gen_ai.output.type"));
        Assert.Equal("test-model", span.GetTagItem("gen_ai.request.model"));
        Assert.Equal("test", span.GetTagItem("gen_ai.provider.name"));
        Assert.Equal(2, span.GetTagItem("gen_ai.request.choice.count"));
        Assert.Equal(7L, span.GetTagItem("gen_ai.request.seed"));
        Assert.Equal(64, span.GetTagItem("gen_ai.request.video.width"));
        Assert.Equal(32, span.GetTagItem("gen_ai.request.video.height"));
        Assert.Equal(5.0, span.GetTagItem("gen_ai.request.video.duration"));
        Assert.Equal(16.0, span.GetTagItem("gen_ai.request.video.fps"));
        Assert.Equal("response-1", span.GetTagItem("gen_ai.response.id"));
        Assert.Equal("test-model-2", span.GetTagItem("gen_ai.response.model"));
        Assert.Equal(streaming ? true : null, span.GetTagItem("gen_ai.request.stream"));
        Assert.Equal(streaming, span.GetTagItem("gen_ai.response.time_to_first_chunk") is double);

        var all = string.Join('\n', span.TagObjects.Select(tag => tag.Value));
        Assert.Equal(sensitive, all.Contains("a secret cat", StringComparison.Ordinal));
        Assert.Equal(sensitive, all.Contains("a secret dog", StringComparison.Ordinal));
        Assert.Equal(sensitive, span.GetTagItem("gen_ai.output.messages") is string output
            && output.Contains("\"bytes\":3", StringComparison.Ordinal));
        Assert.Empty(logs.Entries);
    }

    [Fact]
    public async Task Histograms_carry_units_tags_and_buckets_for_long_videos()
    {
        var inner = new TestVideoGenerator
        {
            OnGenerate = (_, _, _) =>
            {
                var response = Videos.Response();
                response.Usage = new UsageDetails { InputTokenCount = 12, OutputTokenCount = 3 };
                return Task.FromResult(response);
            },
        };
        using var generator = Generator(inner);

        await Run(generator, streaming: false, new("a cat"), null);
        await Run(generator, streaming: true, new("a cat"), null);
        _metering.ForceFlush();

        Assert.Equal("s", Metric("gen_ai.client.operation.duration").Unit);
        var durations = Points("gen_ai.client.operation.duration");
        Assert.Equal(2, durations.Sum(point => point.GetHistogramCount()));
        Assert.Contains(1310.72, Bounds(durations[0]));
        Assert.Contains("test-model", Tags(durations[0]));

        Assert.Equal("s", Metric("gen_ai.client.operation.time_to_first_chunk").Unit);
        Assert.Equal(1, Points("gen_ai.client.operation.time_to_first_chunk").Sum(point => point.GetHistogramCount()));

        Assert.Equal("{token}", Metric("gen_ai.client.token.usage").Unit);
        Assert.Equal(15, Points("gen_ai.client.token.usage").Sum(point => point.GetHistogramSum()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_failure_marks_span_metric_and_log(bool streaming)
    {
        var logs = new LogCollector();
        var inner = new TestVideoGenerator
        {
            OnGenerate = (_, _, _) => throw new TimeoutException("too slow"),
            OnStream = (_, _, _) => throw new TimeoutException("too slow"),
        };
        using var generator = Generator(inner, logs: logs);

        await Assert.ThrowsAsync<TimeoutException>(() => Run(generator, streaming, new("a cat"), null));
        _metering.ForceFlush();

        var span = Assert.Single(_spans);
        Assert.Equal(ActivityStatusCode.Error, span.Status);
        Assert.Equal("System.TimeoutException", span.GetTagItem("error.type"));
        Assert.Contains("System.TimeoutException", Tags(Points("gen_ai.client.operation.duration")[0]));
        var entry = Assert.Single(logs.Entries);
        Assert.Equal((LogLevel.Warning, "gen_ai.client.operation.exception"), (entry.Level, entry.Event.Name));
    }

    [Fact]
    public async Task The_readers_own_activity_does_not_displace_the_span()
    {
        var seen = new List<Activity?>();
        var inner = new TestVideoGenerator { OnStream = (_, _, _) => Updates() };
        using var generator = Generator(inner);

        await foreach (var _ in generator.GenerateStreamingAsync(new("a cat"), cancellationToken: Token))
            Activity.Current = new Activity("reader").Start();

        Assert.Equal(3, seen.Count);
        Assert.All(seen, activity => Assert.Equal("generate_content test-model", activity?.DisplayName));

        async IAsyncEnumerable<VideoGenerationResponseUpdate> Updates()
        {
            foreach (var update in Videos.Updates())
            {
                await Task.Yield();
                seen.Add(Activity.Current);
                yield return update;
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_stream_that_is_left_before_its_videos_is_cancelled(int after)
    {
        var logs = new LogCollector();
        using var generator = Generator(new TestVideoGenerator(), logs: logs);

        var seen = 0;
        await foreach (var _ in generator.GenerateStreamingAsync(new("a cat"), cancellationToken: Token))
            if (seen++ == after)
                break;
        _metering.ForceFlush();

        // The third update is the video: nothing is lost by leaving then.
        var expected = after < 2 ? "System.OperationCanceledException" : null;
        Assert.Equal(expected, Assert.Single(_spans).GetTagItem("error.type"));
        Assert.Equal(expected is not null, Tags(Points("gen_ai.client.operation.duration")[0])
            .Contains("System.OperationCanceledException"));
        Assert.Empty(logs.Entries);
    }

    [Fact]
    public async Task Progress_is_no_first_chunk()
    {
        var inner = new TestVideoGenerator { OnStream = (_, _, _) => Updates() };
        using var generator = Generator(inner);

        await Run(generator, streaming: true, new("a cat"), null);

        Assert.InRange(Assert.IsType<double>(_spans[0].GetTagItem("gen_ai.response.time_to_first_chunk")), 0.05, 60);

        static async IAsyncEnumerable<VideoGenerationResponseUpdate> Updates()
        {
            yield return Videos.Updates()[0];
            await Task.Delay(60);
            yield return Videos.Updates()[2];
        }
    }

    [Fact]
    public async Task A_server_is_named_in_the_span_and_the_metrics()
    {
        using var generator = Generator(new TestVideoGenerator { Metadata = new("remote", new Uri("https://videos.example:8443/v1")) });

        await Run(generator, streaming: false, new("a cat"), null);
        _metering.ForceFlush();

        var span = Assert.Single(_spans);
        Assert.Equal(ActivityKind.Client, span.Kind);
        Assert.Equal(("videos.example", 8443), (span.GetTagItem("server.address"), span.GetTagItem("server.port")));
        var tags = Tags(Points("gen_ai.client.operation.duration")[0]);
        Assert.Contains("videos.example", tags);
        Assert.Contains(8443, tags);
    }

    [Fact]
    public void The_default_source_is_our_own()
    {
        using var generator = new OpenTelemetryVideoGenerator(new TestVideoGenerator());
        Assert.Equal("Experimental.TurboDiffusion.Extensions.AI", generator.GetService<ActivitySource>()!.Name);
    }

    public void Dispose()
    {
        _tracing.Dispose();
        _metering.Dispose();
    }

    private static async Task Run(
        IVideoGenerator generator, bool streaming, VideoGenerationRequest request, VideoGenerationOptions? options)
    {
        if (streaming)
            await generator.GenerateStreamingAsync(request, options, Token).ToListAsync(Token);
        else
            await generator.GenerateAsync(request, options, Token);
    }

    private static List<double> Bounds(MetricPoint point)
    {
        var bounds = new List<double>();
        foreach (var bucket in point.GetHistogramBuckets())
            bounds.Add(bucket.ExplicitBound);
        return bounds;
    }

    private static List<object?> Tags(MetricPoint point)
    {
        var tags = new List<object?>();
        foreach (var tag in point.Tags)
            tags.Add(tag.Value);
        return tags;
    }

    private IVideoGenerator Generator(TestVideoGenerator inner, bool sensitive = false, LogCollector? logs = null) =>
        inner.AsBuilder()
            .UseOpenTelemetry(logs, _source, generator => generator.EnableSensitiveData = sensitive)
            .Build();

    private Metric Metric(string name) => _metrics.Last(metric => metric.Name == name);

    private List<MetricPoint> Points(string name)
    {
        var points = new List<MetricPoint>();
        foreach (var point in Metric(name).GetMetricPoints())
            points.Add(point);
        return points;
    }
}
