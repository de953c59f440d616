using TorchSharp;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>Times work on a GPU with events.</summary>
internal static class CudaTimer
{
    /// <summary>The median time of an action's GPU work.</summary>
    /// <param name="device">The GPU.</param>
    /// <param name="action">Queues the work. Called <paramref name="warmUp"/> + <paramref name="repeats"/> times.</param>
    /// <param name="warmUp">Calls that are not timed.</param>
    /// <param name="repeats">Calls that are timed, each by itself.</param>
    /// <returns>Milliseconds.</returns>
    public static double Median(torch.Device device, Action action, int warmUp = 3, int repeats = 11)
    {
        using var current = CudaContext.Of(device).Enter();
        for (int i = 0; i < warmUp; i++) action();
        var events = new nint[repeats + 1];
        for (int i = 0; i <= repeats; i++) CudaDriver.Check(CudaDriver.cuEventCreate(out events[i], 0), "cuEventCreate");
        try
        {
            CudaDriver.Check(CudaDriver.cuEventRecord(events[0], CudaDriver.TorchStream), "cuEventRecord");
            for (int i = 1; i <= repeats; i++)
            {
                action();
                CudaDriver.Check(CudaDriver.cuEventRecord(events[i], CudaDriver.TorchStream), "cuEventRecord");
            }
            CudaDriver.Check(CudaDriver.cuEventSynchronize(events[repeats]), "cuEventSynchronize");
            var times = new float[repeats];
            for (int i = 0; i < repeats; i++)
                CudaDriver.Check(CudaDriver.cuEventElapsedTime(out times[i], events[i], events[i + 1]), "cuEventElapsedTime");
            Array.Sort(times);
            return times[repeats / 2];
        }
        finally
        {
            foreach (nint handle in events) _ = CudaDriver.cuEventDestroy(handle);
        }
    }
}
