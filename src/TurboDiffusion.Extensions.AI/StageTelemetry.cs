using System.Diagnostics;
using System.Diagnostics.Metrics;
using TurboDiffusion.Generation;
using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// The stages of one generation as spans, below that of the call, and as metrics:
/// <c>turbodiffusion.stage.duration</c> (s), <c>turbodiffusion.step.duration</c> (s) and <c>turbodiffusion.frames</c>
/// ({frame}).
/// </summary>
internal sealed class StageTelemetry(string model) : IDisposable
{
    private static readonly ActivitySource Source = new(OpenTelemetryVideoGenerator.DefaultSourceName);
    private static readonly Meter Meter = new(OpenTelemetryVideoGenerator.DefaultSourceName);
    private static readonly InstrumentAdvice<double> Seconds = new()
    {
        HistogramBucketBoundaries = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68,
            655.36, 1310.72],
    };

    private static readonly Histogram<double> StageDuration = Meter.CreateHistogram(
        "turbodiffusion.stage.duration", "s", "Duration of a stage of a generation.", advice: Seconds);

    private static readonly Histogram<double> StepDuration = Meter.CreateHistogram(
        "turbodiffusion.step.duration", "s", "Duration of a denoising step.", advice: Seconds);

    private static readonly Counter<long> Frames = Meter.CreateCounter<long>(
        "turbodiffusion.frames", "{frame}", "Number of frames generated.");

    private readonly ActivityContext _parent = Activity.Current?.Context ?? default;
    private Activity? _span;
    private GenerationProgress? _last;

    /// <summary>The name of a stage in spans, metrics and updates, such as <c>encoding_text</c>.</summary>
    public static string NameOf(GenerationStage stage) => stage switch
    {
        GenerationStage.EncodingText => "encoding_text",
        GenerationStage.EncodingImage => "encoding_image",
        _ => stage.ToString().ToLowerInvariant(),
    };

    /// <summary>Follows the progress. A stage that another one interrupts (loading, within denoising) has several spans.</summary>
    public void Report(GenerationProgress progress)
    {
        if (_last is not { } last || last.Stage != progress.Stage || last.Video != progress.Video)
        {
            _span?.Dispose();
            _span = Source.StartActivity($"turbodiffusion.{NameOf(progress.Stage)}", ActivityKind.Internal, _parent)
                ?.SetTag("turbodiffusion.stage", NameOf(progress.Stage));
        }
        else if (progress.Stage == GenerationStage.Denoising && progress.Step > last.Step)
        {
            // Of short steps, several are told at once.
            var steps = progress.Step - last.Step;
            for (var step = 0; step < steps; step++)
                StepDuration.Record((progress.Elapsed - last.Elapsed).TotalSeconds / steps, Model());
        }

        _last = progress;
    }

    /// <summary>Records what the finished generation took.</summary>
    public void Complete(IReadOnlyList<VideoResult> videos)
    {
        Frames.Add(videos.Sum(video => video.Frames), Model());
        foreach (var (stage, time) in videos[0].StageTimes)
            StageDuration.Record(time.TotalSeconds, Model(), new("turbodiffusion.stage", NameOf(stage)));
    }

    public void Dispose() => _span?.Dispose();

    private KeyValuePair<string, object?> Model() => new("gen_ai.request.model", model);
}
