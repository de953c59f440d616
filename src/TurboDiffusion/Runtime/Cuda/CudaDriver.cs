using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>The CUDA driver API, in the primary context that libtorch uses too.</summary>
internal static unsafe partial class CudaDriver
{
    /// <summary>The stream on which TorchSharp queues its work.</summary>
    public const nint TorchStream = 0;

    /// <summary>CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES.</summary>
    public const int MaxDynamicSharedBytes = 8;

    /// <summary>CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN.</summary>
    public const int MaxSharedBytesPerBlock = 97;

    /// <summary>CU_STREAM_NON_BLOCKING: it does not wait for <see cref="TorchStream"/>.</summary>
    public const uint NonBlockingStream = 1;

    /// <summary>CU_EVENT_DISABLE_TIMING.</summary>
    public const uint EventWithoutTiming = 2;

    /// <summary>Its number of multiprocessors.</summary>
    public const int MultiprocessorCount = 16;

    private const string Library = "libcuda.so.1";
    private const int ComputeCapabilityMajor = 75, ComputeCapabilityMinor = 76;

    /// <summary>
    /// Whether the machine has the driver's library. Without it, every call here throws <see cref="DllNotFoundException"/>.
    /// </summary>
    public static bool IsPresent => NativeLibrary.TryLoad(Library, out _);

    /// <summary>
    /// The driver's CUDA version and a GPU's compute capability, 13000 and 90 for 13.0 and 9.0; null for what is not there.
    /// </summary>
    /// <param name="device">The GPU's number.</param>
    public static (int? Driver, int? Gpu) Ask(int device)
    {
        if (!IsPresent || cuDriverGetVersion(out int version) != 0) return (null, null);
        if (cuInit(0) != 0 || cuDeviceGet(out int handle, device) != 0
            || cuDeviceGetAttribute(out int major, ComputeCapabilityMajor, handle) != 0
            || cuDeviceGetAttribute(out int minor, ComputeCapabilityMinor, handle) != 0)
            return (version, null);
        return (version, major * 10 + minor);
    }

    /// <summary>Fails where a call did.</summary>
    /// <param name="result">What the call returned.</param>
    /// <param name="call">Its name, and on what.</param>
    /// <param name="remedy">What the user can do; null is to run without kernels.</param>
    /// <exception cref="EnvironmentException">The call failed.</exception>
    public static void Check(int result, string call, string? remedy = null)
    {
        if (result != 0) throw Failed(result, call, remedy);
    }

    /// <summary>As above, of a call whose description costs something.</summary>
    /// <param name="result">What it returned.</param>
    /// <param name="call">Its name, and on what.</param>
    /// <param name="remedy">What the user can do; null is to run without kernels.</param>
    /// <exception cref="EnvironmentException">The call failed.</exception>
    public static void Check(
        int result, [InterpolatedStringHandlerArgument(nameof(result))] ref CudaCall call, string? remedy = null)
    {
        if (result != 0) throw Failed(result, call.End(), remedy);
    }

    private static EnvironmentException Failed(int result, string call, string? remedy) => new("cuda",
        $"{call} failed with CUDA error {result} ({NameOf(result)}); "
            + $"{remedy ?? $"set {KernelSwitch.Variable}=off to run without kernels"}.");

    /// <summary>The name of an error.</summary>
    /// <param name="result">What a call returned.</param>
    public static string NameOf(int result) =>
        cuGetErrorName(result, out nint text) == 0 ? Marshal.PtrToStringUTF8(text)! : "unknown";

    [LibraryImport(Library)]
    private static partial int cuGetErrorName(int error, out nint name);

    [LibraryImport(Library)]
    public static partial int cuDriverGetVersion(out int version);

    [LibraryImport(Library)]
    public static partial int cuDeviceGetCount(out int count);

    [LibraryImport(Library)]
    public static partial int cuDeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceTotalMem_v2")]
    public static partial int cuDeviceTotalMem(out nuint bytes, int device);

    [LibraryImport(Library, EntryPoint = "cuMemGetInfo_v2")]
    public static partial int cuMemGetInfo(out nuint free, out nuint total);

    [LibraryImport(Library, EntryPoint = "cuMemAlloc_v2")]
    public static partial int cuMemAlloc(out ulong address, nuint bytes);

    [LibraryImport(Library, EntryPoint = "cuMemFree_v2")]
    public static partial int cuMemFree(ulong address);

    [LibraryImport(Library)]
    public static partial int cuInit(uint flags);

    [LibraryImport(Library)]
    public static partial int cuDeviceGet(out int device, int ordinal);

    [LibraryImport(Library)]
    public static partial int cuDeviceGetAttribute(out int value, int attribute, int device);

    [LibraryImport(Library)]
    public static partial int cuDevicePrimaryCtxRetain(out nint context, int device);

    [LibraryImport(Library)]
    public static partial int cuDevicePrimaryCtxGetState(int device, out uint flags, out int active);

    [LibraryImport(Library, EntryPoint = "cuCtxPushCurrent_v2")]
    public static partial int cuCtxPushCurrent(nint context);

    [LibraryImport(Library, EntryPoint = "cuCtxPopCurrent_v2")]
    public static partial int cuCtxPopCurrent(out nint context);

    [LibraryImport(Library)]
    public static partial int cuModuleLoadData(out nint module, byte* image);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int cuModuleGetFunction(out nint function, nint module, string name);

    [LibraryImport(Library)]
    public static partial int cuFuncSetAttribute(nint function, int attribute, int value);

    [LibraryImport(Library)]
    public static partial int cuFuncGetAttribute(out int value, int attribute, nint function);

    [LibraryImport(Library)]
    public static partial int cuLaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream,
        void** arguments, void** extra);

    [LibraryImport(Library)]
    public static partial int cuTensorMapEncodeTiled(
        byte* map, int type, uint rank, void* address, ulong* dimensions, ulong* strides, uint* box, uint* elementStrides, int interleave,
        int swizzle, int promotion, int fill);

    [LibraryImport(Library)]
    public static partial int cuEventCreate(out nint handle, uint flags);

    [LibraryImport(Library)]
    public static partial int cuEventRecord(nint handle, nint stream);

    [LibraryImport(Library)]
    public static partial int cuEventSynchronize(nint handle);

    // The function of this name in every driver.
    [LibraryImport(Library)]
    public static partial int cuEventElapsedTime(out float milliseconds, nint start, nint end);

    [LibraryImport(Library, EntryPoint = "cuMemHostRegister_v2")]
    public static partial int cuMemHostRegister(nint address, nuint bytes, uint flags);

    [LibraryImport(Library)]
    public static partial int cuMemHostUnregister(nint address);

    [LibraryImport(Library, EntryPoint = "cuMemcpyHtoDAsync_v2")]
    public static partial int cuMemcpyHtoDAsync(ulong target, nint source, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoHAsync_v2")]
    public static partial int cuMemcpyDtoHAsync(nint target, ulong source, nuint bytes, nint stream);

    [LibraryImport(Library)]
    public static partial int cuStreamWaitEvent(nint stream, nint handle, uint flags);

    [LibraryImport(Library)]
    public static partial int cuStreamCreate(out nint stream, uint flags);

    [LibraryImport(Library)]
    public static partial int cuStreamSynchronize(nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamDestroy_v2")]
    public static partial int cuStreamDestroy(nint stream);

    [LibraryImport(Library, EntryPoint = "cuEventDestroy_v2")]
    public static partial int cuEventDestroy(nint handle);
}
