using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using TorchSharp;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>A GPU as its driver describes it.</summary>
/// <param name="Name">Such as <c>NVIDIA H100 80GB HBM3</c>.</param>
/// <param name="Bytes">Its memory.</param>
public sealed record GpuDevice(string Name, long Bytes);

/// <summary>What the NVIDIA driver says of itself and its GPUs, asked without libtorch.</summary>
/// <param name="Driver">The driver's CUDA version, such as <c>13.1</c>; null where there is no driver.</param>
/// <param name="Gpus">The GPUs; a null entry is one that does not answer.</param>
/// <param name="Error">Why the driver does not answer; null where it does.</param>
public sealed unsafe record GpuDevices(string? Driver, IReadOnlyList<GpuDevice?> Gpus, string? Error)
{
    private const int MostNameBytes = 256;

    /// <summary>Asks the driver.</summary>
    public static GpuDevices Ask()
    {
        if (!CudaDriver.IsPresent) return new(null, [], null);
        if (CudaDriver.cuDriverGetVersion(out int version) != 0) return new("unknown", [], "cuDriverGetVersion fails");
        // 13010 is 13.1.
        string name = string.Create(CultureInfo.InvariantCulture, $"{version / 1000}.{version % 1000 / 10}");
        int devices = 0, result = CudaDriver.cuInit(0);
        if (result == 0) result = CudaDriver.cuDeviceGetCount(out devices);
        return result == 0
            ? new(name, [.. Enumerable.Range(0, devices).Select(Describe)], null)
            : new(name, [], $"the driver answers with CUDA error {result}");
    }

    /// <summary>What a device is called: a GPU's name, or the device's kind where it has none.</summary>
    /// <param name="device">CPU or a CUDA device.</param>
    public static string NameOf(torch.Device device) =>
        device.type == DeviceType.CUDA && CudaDriver.IsPresent && CudaDriver.cuInit(0) == 0
            && Describe(Math.Max(device.index, 0)) is { } gpu
            ? gpu.Name
            : device.ToString();

    private static GpuDevice? Describe(int ordinal)
    {
        byte* name = stackalloc byte[MostNameBytes];
        return CudaDriver.cuDeviceGet(out int device, ordinal) == 0 && CudaDriver.cuDeviceGetName(name, MostNameBytes, device) == 0
            && CudaDriver.cuDeviceTotalMem(out nuint bytes, device) == 0
                ? new GpuDevice(Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name)), (long)bytes)
                : null;
    }
}
