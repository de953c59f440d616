using System.Diagnostics.Metrics;
using TurboDiffusion.AspNetCore.Telemetry;
using TurboDiffusion.Runtime.Cuda;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>GPU memory among the metrics.</summary>
public sealed class GpuMetricsTests
{
    [Fact]
    public void Each_GPU_in_use_is_told_by_its_device_and_none_without_one()
    {
        IReadOnlyList<GpuMemory> gpus = [];
        var told = new List<string>();
        using var meter = new Meter("test");
        GpuMetrics.AddTo(meter, () => gpus);
        using var listener = new MeterListener { InstrumentPublished = (instrument, to) =>
        {
            if (instrument.Meter == meter)
                to.EnableMeasurementEvents(instrument);
        }, };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => told.Add(
            $"{instrument.Name} {instrument.Unit} {value} {string.Join(' ', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}"))}"));
        listener.Start();
        listener.RecordObservableInstruments();
        Assert.Empty(told);

        gpus = [new GpuMemory("cuda:0", "A", 10, 80), new GpuMemory("cuda:3", "B", 20, 24)];
        listener.RecordObservableInstruments();
        Assert.Equal(
        [
            "hw.gpu.memory.usage By 10 hw.id=cuda:0 hw.name=A", "hw.gpu.memory.usage By 20 hw.id=cuda:3 hw.name=B",
            "hw.gpu.memory.limit By 80 hw.id=cuda:0 hw.name=A", "hw.gpu.memory.limit By 24 hw.id=cuda:3 hw.name=B",
        ], told);
    }
}
