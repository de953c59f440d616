using System.Runtime.InteropServices;
using System.Text;
using TorchSharp;

namespace TurboDiffusion.Runtime;

/// <summary>What a GPU is called.</summary>
internal static unsafe partial class GpuName
{
    private const int MostBytes = 128;

    /// <summary>The device's name, such as <c>NVIDIA H100 80GB HBM3</c>, or its kind where it has none.</summary>
    /// <param name="device">CPU or a CUDA device.</param>
    public static string Of(torch.Device device)
    {
        if (device.type != DeviceType.CUDA) return device.ToString();
        byte* name = stackalloc byte[MostBytes];
        return cuInit(0) == 0 && cuDeviceGet(out int handle, Math.Max(device.index, 0)) == 0 && cuDeviceGetName(name, MostBytes, handle) == 0
            ? Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name))
            : device.ToString();
    }

    [LibraryImport("libcuda.so.1")]
    private static partial int cuInit(uint flags);

    [LibraryImport("libcuda.so.1")]
    private static partial int cuDeviceGet(out int device, int ordinal);

    [LibraryImport("libcuda.so.1")]
    private static partial int cuDeviceGetName(byte* name, int length, int device);
}
