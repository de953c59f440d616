using System.Globalization;
using System.Runtime.InteropServices;
using TorchSharp;

namespace TurboDiffusion.Runtime;

/// <summary>How much memory a device has free.</summary>
public static partial class DeviceMemory
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

    /// <summary>A GPU's free and whole memory in bytes, as its driver counts them for all processes.</summary>
    /// <param name="index">The GPU's number.</param>
    /// <exception cref="EnvironmentException">The GPU does not answer.</exception>
    internal static (long Free, long Total) OfGpu(int index)
    {
        try
        {
            Check(cuInit(0), "cuInit");
            Check(cuDeviceGet(out int device, index), "cuDeviceGet");
            Check(cuDevicePrimaryCtxRetain(out nint context, device), "cuDevicePrimaryCtxRetain");
            try
            {
                Check(cuCtxPushCurrent(context), "cuCtxPushCurrent");
                Check(cuMemGetInfo(out nuint free, out nuint total), "cuMemGetInfo");
                Check(cuCtxPopCurrent(out _), "cuCtxPopCurrent");
                return ((long)free, (long)total);
            }
            finally
            {
                cuDevicePrimaryCtxRelease(device);
            }
        }
        catch (DllNotFoundException e)
        {
            throw new EnvironmentException("cuda", "libcuda.so.1 is not on this machine: install the NVIDIA driver, or choose the device cpu.", e);
        }
    }

    private static void Check(int result, string call)
    {
        if (result != 0)
            throw new EnvironmentException("cuda", $"{call} failed with CUDA error {result}: the driver or the GPU is not usable. See nvidia-smi, or choose the device cpu.");
    }

    [LibraryImport("libcuda.so.1")]
    private static partial int cuInit(uint flags);

    [LibraryImport("libcuda.so.1")]
    private static partial int cuDeviceGet(out int device, int ordinal);

    [LibraryImport("libcuda.so.1")]
    private static partial int cuDevicePrimaryCtxRetain(out nint context, int device);

    [LibraryImport("libcuda.so.1", EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    private static partial int cuDevicePrimaryCtxRelease(int device);

    [LibraryImport("libcuda.so.1", EntryPoint = "cuCtxPushCurrent_v2")]
    private static partial int cuCtxPushCurrent(nint context);

    [LibraryImport("libcuda.so.1", EntryPoint = "cuCtxPopCurrent_v2")]
    private static partial int cuCtxPopCurrent(out nint context);

    [LibraryImport("libcuda.so.1", EntryPoint = "cuMemGetInfo_v2")]
    private static partial int cuMemGetInfo(out nuint free, out nuint total);
}
