using System.Diagnostics.Metrics;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.AspNetCore.Telemetry;

/// <summary>
/// The memory of the GPUs that the service computes on, by OpenTelemetry's names for hardware. Without a GPU there are no measurements.
/// </summary>
internal static class GpuMetrics
{
    /// <summary>Adds the gauges.</summary>
    /// <param name="meter">Where.</param>
    /// <param name="ask">Asks the GPUs.</param>
    public static void AddTo(Meter meter, Func<IReadOnlyList<GpuMemory>> ask)
    {
        meter.CreateObservableGauge("hw.gpu.memory.usage", () => Measure(gpu => gpu.Used), "By", "GPU memory that is taken.");
        meter.CreateObservableGauge("hw.gpu.memory.limit", () => Measure(gpu => gpu.Bytes), "By", "GPU memory in all.");

        IEnumerable<Measurement<long>> Measure(Func<GpuMemory, long> value) => ask().Select(gpu => new Measurement<long>(
            value(gpu), new KeyValuePair<string, object?>("hw.id", gpu.Device), new KeyValuePair<string, object?>("hw.name", gpu.Name)));
    }
}
