using System.Diagnostics.Metrics;
using TorchSharp;
using TurboDiffusion.AspNetCore.Telemetry;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests;
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

    /// <summary>A real card: what is put on it is in the gauge.</summary>
    [Fact]
    [Trait("Category", "Gpu")]
    public async Task A_real_card_tells_what_is_used_and_what_there_is_in_all()
    {
        RequiredGpu.Check();
        const long Bytes = 1L << 30;
        await using var service = await TestService.StartAsync();
        using var first = torch.zeros(1, device: torch.CUDA);
        var (before, name) = Read();
        Assert.InRange(before["hw.gpu.memory.usage"], 1, before["hw.gpu.memory.limit"]);
        using (var more = torch.zeros(Bytes, torch.uint8, torch.CUDA))
        {
            torch.cuda.synchronize();
            var (now, _) = Read();
            Assert.Equal(before["hw.gpu.memory.limit"], now["hw.gpu.memory.limit"]);
            // Others may use the card meanwhile, though not with half as much.
            Assert.InRange(now["hw.gpu.memory.usage"] - before["hw.gpu.memory.usage"], Bytes / 2, Bytes * 3 / 2);
            TestContext.Current.TestOutputHelper!.WriteLine(
                $"{name}: {before["hw.gpu.memory.usage"] >> 20}, then {now["hw.gpu.memory.usage"] >> 20} of "
                    + $"{now["hw.gpu.memory.limit"] >> 20} MiB used");
        }

        // What the service's own meter says of the first card.
        static (Dictionary<string, long> Values, string Name) Read()
        {
            var values = new Dictionary<string, long>(StringComparer.Ordinal);
            var name = "";
            using var listener = new MeterListener { InstrumentPublished = (instrument, to) =>
            {
                if (instrument.Meter.Name == VideoServiceDefaults.MeterName
                    && instrument.Name.StartsWith("hw.gpu.", StringComparison.Ordinal))
                    to.EnableMeasurementEvents(instrument);
            }, };
            listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
            {
                var said = tags.ToArray().ToDictionary(tag => tag.Key, tag => $"{tag.Value}");
                if (said["hw.id"] == "cuda:0")
                    (values[instrument.Name], name) = (value, said["hw.name"]);
            });
            listener.Start();
            listener.RecordObservableInstruments();
            Assert.NotEqual("", name);
            return (values, name);
        }
    }
}
