using TorchSharp;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>The memory of a GPU that this process computes on, as its driver counts it for all processes.</summary>
/// <param name="Device">Such as <c>cuda:0</c>.</param>
/// <param name="Name">Such as <c>NVIDIA H100 80GB HBM3</c>.</param>
/// <param name="Used">Bytes that are taken, by whomever.</param>
/// <param name="Bytes">Bytes in all.</param>
public sealed record GpuMemory(string Device, string Name, long Used, long Bytes)
{
    /// <summary>
    /// Asks the driver about each GPU that something of this process has been put on. Others are left alone: to ask about one takes a
    /// context, which would take some hundred megabytes of it.
    /// </summary>
    /// <returns>None where there is no driver, no GPU, or none in use.</returns>
    public static IReadOnlyList<GpuMemory> InUse()
    {
        if (!CudaDriver.IsPresent || CudaDriver.cuInit(0) != 0 || CudaDriver.cuDeviceGetCount(out int count) != 0) return [];
        return [.. Enumerable.Range(0, count).Select(Ask).OfType<GpuMemory>()];
    }

    private static GpuMemory? Ask(int ordinal)
    {
        if (CudaDriver.cuDeviceGet(out int device, ordinal) != 0
            || CudaDriver.cuDevicePrimaryCtxGetState(device, out _, out int isActive) != 0 || isActive == 0)
            return null;
        try
        {
            (long free, long total) = DeviceMemory.OfGpu(ordinal);
            var gpu = new torch.Device(DeviceType.CUDA, ordinal);
            return new GpuMemory(gpu.ToString(), GpuDevices.NameOf(gpu), total - free, total);
        }
        catch (EnvironmentException)
        {
            // A GPU that has fallen off tells nothing; what runs on it fails with its own error.
            return null;
        }
    }
}
