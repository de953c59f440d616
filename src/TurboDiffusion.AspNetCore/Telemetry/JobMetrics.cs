using System.Diagnostics;
using System.Diagnostics.Metrics;
using TurboDiffusion.AspNetCore.Jobs;

namespace TurboDiffusion.AspNetCore.Telemetry;

/// <summary>The service's own metrics. Those of stages, steps and frames are the generator's.</summary>
internal sealed class JobMetrics
{
    private readonly Histogram<double> _duration;

    public JobMetrics(IMeterFactory factory, IVideoJobStore store)
    {
        var meter = factory.Create(VideoServiceDefaults.MeterName);
        _duration = meter.CreateHistogram(
            "turbodiffusion.job.duration",
            "s",
            "Time that a job ran, by how it ended.",
            advice: new InstrumentAdvice<double>
            {
                HistogramBucketBoundaries = [0.1, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000],
            });
        meter.CreateObservableGauge("turbodiffusion.jobs.queued", () => Count(VideoJobStatus.Queued), "{job}", "Jobs that wait.");
        meter.CreateObservableGauge("turbodiffusion.jobs.running", () => Count(VideoJobStatus.InProgress), "{job}", "Jobs that run.");

        // A count takes microseconds, and whoever asks for metrics waits for the answer.
        int Count(VideoJobStatus status) => store.CountAsync(status).GetAwaiter().GetResult();
    }

    /// <summary>Takes a run in; one that has no end was cancelled or put back.</summary>
    public void Ended(VideoJob job, TimeSpan duration) => _duration.Record(duration.TotalSeconds, new TagList
    {
        { "gen_ai.request.model", job.Request.Model },
        { "turbodiffusion.job.end", job.Status switch { VideoJobStatus.Completed => "completed", VideoJobStatus.Failed => "failed",
            _ => "cancelled" } },
    });
}
