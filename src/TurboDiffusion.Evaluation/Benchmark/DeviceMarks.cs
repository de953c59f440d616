using System.Diagnostics;
using TorchSharp;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>Points in time between which work is timed: CUDA events in the stream of the work, or the system's clock on the CPU.</summary>
/// <param name="device">Where it works.</param>
internal sealed class DeviceMarks(torch.Device device) : IDisposable
{
    private readonly bool _gpu = device.type == DeviceType.CUDA;
    private readonly List<nint> _events = [];
    private readonly List<long> _times = [];

    /// <summary>Marks what has been queued until now.</summary>
    public void Add()
    {
        if (!_gpu)
        {
            _times.Add(Stopwatch.GetTimestamp());
            return;
        }
        using var current = CudaContext.Of(device).Enter();
        CudaDriver.Check(CudaDriver.cuEventCreate(out nint handle, 0), "cuEventCreate");
        _events.Add(handle);
        CudaDriver.Check(CudaDriver.cuEventRecord(handle, CudaDriver.TorchStream), "cuEventRecord");
    }

    /// <summary>Waits for the last mark.</summary>
    /// <returns>Milliseconds from each mark to the next.</returns>
    public IReadOnlyList<double> Intervals()
    {
        if (!_gpu) return [.. _times.Zip(_times.Skip(1)).Select(p => Stopwatch.GetElapsedTime(p.First, p.Second).TotalMilliseconds)];
        if (_events.Count == 0) return [];
        using var current = CudaContext.Of(device).Enter();
        CudaDriver.Check(CudaDriver.cuEventSynchronize(_events[^1]), "cuEventSynchronize");
        var intervals = new double[_events.Count - 1];
        for (int i = 0; i < intervals.Length; i++)
        {
            CudaDriver.Check(CudaDriver.cuEventElapsedTime(out float ms, _events[i], _events[i + 1]), "cuEventElapsedTime");
            intervals[i] = ms;
        }
        return intervals;
    }

    /// <summary>Forgets all marks.</summary>
    public void Clear()
    {
        if (_events.Count > 0)
        {
            using var current = CudaContext.Of(device).Enter();
            foreach (nint handle in _events) _ = CudaDriver.cuEventDestroy(handle);
        }
        _events.Clear();
        _times.Clear();
    }

    /// <inheritdoc/>
    public void Dispose() => Clear();
}
