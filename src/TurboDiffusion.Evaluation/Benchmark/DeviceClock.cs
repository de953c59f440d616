using System.Diagnostics;
using TorchSharp;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>Times work: with CUDA events on a GPU, by the system's clock on the CPU.</summary>
internal static class DeviceClock
{
    private const int MostRepeats = 11;

    /// <summary>The median time of an action; of a long one, the time of its one call.</summary>
    /// <param name="device">Where it works.</param>
    /// <param name="action">The work. What it does once (compiling, growing the allocator's pool) has been done.</param>
    /// <param name="patience">About how many seconds to repeat it.</param>
    /// <returns>Milliseconds, and how many calls they are the median of.</returns>
    public static (double Milliseconds, int Repeats) Median(torch.Device device, Action action, double patience)
    {
        double once = Times(1);
        int repeats = Repeats(once, patience);
        return repeats == 1 ? (once, 1) : (Times(repeats), repeats);

        double Times(int count) => device.type == DeviceType.CUDA
            ? CudaTimer.Median(device, action, warmUp: 0, count)
            : Enumerable.Range(0, count).Select(_ => Wall(device, action)).Order().ElementAt(count / 2);
    }

    /// <summary>How many calls of <paramref name="milliseconds"/> fit into the patience: odd, 1 to 11.</summary>
    public static int Repeats(double milliseconds, double patience)
    {
        int fitting = (int)Math.Clamp(patience * 1000 / Math.Max(milliseconds, 1e-3), 1, MostRepeats);
        return fitting % 2 == 0 ? fitting - 1 : fitting;
    }

    /// <summary>Milliseconds until an action's work is done, by the system's clock.</summary>
    public static double Wall(torch.Device device, Action action)
    {
        Devices.Synchronize(device);
        long start = Stopwatch.GetTimestamp();
        action();
        Devices.Synchronize(device);
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
