using System.Globalization;
using System.Runtime.InteropServices;
using TorchSharp;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>How much memory a device has free.</summary>
public static class DeviceMemory
{
    private const string MemInfo = "/proc/meminfo";

    /// <summary>Bytes that can be allocated now: what the system (or the container) still has, or the GPU.</summary>
    /// <param name="device">CPU or a CUDA device.</param>
    /// <exception cref="EnvironmentException">The GPU does not answer.</exception>
    public static long Available(torch.Device device) => device.type switch
    {
        DeviceType.CPU => AvailableCpu(),
        DeviceType.CUDA => OfGpu(Math.Max(device.index, 0)).Free,
        _ => long.MaxValue,
    };

    private static long AvailableCpu()
    {
        // The runtime knows the limit of a container, the kernel what other processes leave.
        GCMemoryInfo gc = GC.GetGCMemoryInfo();
        long limit = gc.TotalAvailableMemoryBytes;
        if (!File.Exists(MemInfo)) return limit;
        string? line = File.ReadLines(MemInfo).FirstOrDefault(l => l.StartsWith("MemAvailable:", StringComparison.Ordinal));
        return line?.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, { } kib, ..]
            && long.TryParse(kib, NumberStyles.None, CultureInfo.InvariantCulture, out long available)
            ? Math.Min(limit, available * 1024)
            : limit;
    }

    /// <summary>
    /// Gives back what libtorch's allocator holds for tensors that are gone; the driver counts it as taken. TorchSharp has no call
    /// for it: the allocator does it before it refuses a tensor, here one as large as the GPU.
    /// </summary>
    /// <param name="device">A GPU; nothing is done for others.</param>
    internal static void Release(torch.Device device)
    {
        if (device.type != DeviceType.CUDA) return;
        GC.Collect();
        GC.WaitForPendingFinalizers();
        try
        {
            torch.empty([OfGpu(Math.Max(device.index, 0)).Total], torch.ScalarType.Int8, device).Dispose();
        }
        catch (ExternalException e) when (IsExhausted(e))
        {
        }
    }

    /// <summary>Whether an error of libtorch says that a GPU's memory does not suffice.</summary>
    /// <param name="error">The error.</param>
    internal static bool IsExhausted(Exception error) =>
        error is ExternalException && error.Message.Contains("out of memory", StringComparison.OrdinalIgnoreCase);

    /// <summary>A GPU's free and whole memory in bytes, as its driver counts them for all processes.</summary>
    /// <param name="index">The GPU's number.</param>
    /// <exception cref="EnvironmentException">The GPU does not answer.</exception>
    internal static (long Free, long Total) OfGpu(int index)
    {
        const string Remedy = "the driver or the GPU is not usable: see nvidia-smi, or choose the device cpu";
        if (!CudaDriver.IsPresent)
            throw new EnvironmentException("cuda",
                "libcuda.so.1 is not on this machine: install the NVIDIA driver, or choose the device cpu.");
        using CudaContext.Current current = CudaContext.Of(new torch.Device(DeviceType.CUDA, index)).Enter();
        CudaDriver.Check(CudaDriver.cuMemGetInfo(out nuint free, out nuint total), $"cuMemGetInfo of cuda:{index}", Remedy);
        return ((long)free, (long)total);
    }
}
