using System.Diagnostics;
using System.Diagnostics.Metrics;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.AspNetCore.Telemetry;

/// <summary>The service's own metrics. Those of stages, steps and frames are the generator's.</summary>
internal sealed class JobMetrics
{
    private readonly Histogram<double> _duration;

    private readonly Meter _meter;

    public JobMetrics(IMeterFactory factory)
    {
        _meter = factory.Create(VideoServiceDefaults.MeterName);
        GpuMetrics.AddTo(_meter, GpuMemory.InUse);
        _duration = _meter.CreateHistogram(
            "turbodiffusion.job.duration",
            "s",
            "Time that a job ran, by how it ended.",
            advice: new InstrumentAdvice<double>
            {
                HistogramBucketBoundaries = [0.1, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000],
            });
    }

    /// <summary>Tells how many jobs wait and run.</summary>
    /// <param name="count">Counts the jobs in a state.</param>
    public void Count(Func<VideoJobStatus, IEnumerable<Measurement<int>>> count)
    {
        _meter.CreateObservableGauge("turbodiffusion.jobs.queued", () => count(VideoJobStatus.Queued), "{job}", "Jobs that wait.");
        _meter.CreateObservableGauge("turbodiffusion.jobs.running", () => count(VideoJobStatus.InProgress), "{job}", "Jobs that run.");
    }

    /// <summary>Takes a run in; one that has no end was cancelled or put back.</summary>
    public void Ended(VideoJob job, TimeSpan duration) => _duration.Record(duration.TotalSeconds, new TagList
    {
        { "gen_ai.request.model", job.Request.Model },
        { "turbodiffusion.job.end", job.Status switch { VideoJobStatus.Completed => "completed", VideoJobStatus.Failed => "failed",
            _ => "cancelled" } },
    });
}
