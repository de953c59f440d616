using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using TurboDiffusion.Cli.Output;

namespace TurboDiffusion.Cli.Diagnosis;

/// <summary>The NVIDIA driver, asked without libtorch.</summary>
internal static partial class CudaDriver
{
    private const string Library = "libcuda.so.1";

    /// <summary>The driver's CUDA version and its GPUs.</summary>
    /// <returns>A version of null where there is no driver; an error where it does not answer.</returns>
    public static (string? Version, IReadOnlyList<string> Gpus, string? Error) Ask()
    {
        if (!NativeLibrary.TryLoad(Library, out _)) return (null, [], null);
        if (cuDriverGetVersion(out int version) != 0) return ("unknown", [], "cuDriverGetVersion fails");
        // 13010 is 13.1.
        string name = string.Create(CultureInfo.InvariantCulture, $"{version / 1000}.{version % 1000 / 10}");
        int devices = 0, result = cuInit(0);
        if (result == 0) result = cuDeviceGetCount(out devices);
        return result == 0
            ? (name, [.. Enumerable.Range(0, devices).Select(Describe)], null)
            : (name, [], $"the driver answers with CUDA error {result}");
    }

    private static unsafe string Describe(int ordinal)
    {
        Span<byte> name = stackalloc byte[256];
        fixed (byte* pointer = name)
        {
            if (cuDeviceGet(out int device, ordinal) != 0 || cuDeviceGetName(pointer, name.Length, device) != 0 || cuDeviceTotalMem(out nuint bytes, device) != 0)
                return $"cuda:{ordinal} does not answer";
            return $"{Encoding.UTF8.GetString(name[..name.IndexOf((byte)0)])}, {Format.Bytes((long)bytes)}";
        }
    }

    [LibraryImport(Library)]
    private static partial int cuDriverGetVersion(out int version);

    [LibraryImport(Library)]
    private static partial int cuInit(uint flags);

    [LibraryImport(Library)]
    private static partial int cuDeviceGetCount(out int count);

    [LibraryImport(Library)]
    private static partial int cuDeviceGet(out int device, int ordinal);

    [LibraryImport(Library)]
    private static unsafe partial int cuDeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceTotalMem_v2")]
    private static partial int cuDeviceTotalMem(out nuint bytes, int device);
}
