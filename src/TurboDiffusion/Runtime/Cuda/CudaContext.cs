using TorchSharp;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>A GPU's primary context, which libtorch computes in. Kept for the life of the process.</summary>
internal sealed unsafe class CudaContext : IKernelDevice
{
    private static readonly OncePerKey<int, CudaContext> Contexts = new(device => new CudaContext(device));

    private readonly nint _handle;

    private CudaContext(int device)
    {
        Device = device;
        CudaDriver.Check(CudaDriver.cuInit(0), "cuInit");
        CudaDriver.Check(CudaDriver.cuDeviceGet(out int handle, device), $"cuDeviceGet of cuda:{device}");
        CudaDriver.Check(CudaDriver.cuDevicePrimaryCtxRetain(out _handle, handle), $"cuDevicePrimaryCtxRetain of cuda:{device}");
        CudaDriver.Check(CudaDriver.cuDeviceGetAttribute(out int shared, CudaDriver.MaxSharedBytesPerBlock, handle),
            "cuDeviceGetAttribute");
        CudaDriver.Check(CudaDriver.cuDeviceGetAttribute(out int multiprocessors, CudaDriver.MultiprocessorCount, handle),
            "cuDeviceGetAttribute");
        SharedBytes = shared;
        Multiprocessors = multiprocessors;
        Architecture = KernelArchitecture.Name(CudaDriver.Ask(device).Gpu!.Value);
    }

    /// <summary>The GPU's number.</summary>
    public int Device { get; }

    /// <summary>What its kernels are compiled for, such as <c>sm_90a</c>.</summary>
    public string Architecture { get; }

    /// <inheritdoc/>
    public int SharedBytes { get; }

    /// <inheritdoc/>
    public int Multiprocessors { get; }

    /// <summary>The context of a device.</summary>
    /// <param name="device">A CUDA device.</param>
    public static CudaContext Of(torch.Device device) => Contexts.Of(Math.Max(device.index, 0));

    /// <inheritdoc/>
    public void Launch(KernelProgram program, KernelLaunch launch, void** arguments) =>
        KernelFunction.Of(this, program).Launch(launch, arguments);

    /// <inheritdoc/>
    public void Describe(byte* map, TensorLayout layout) => TensorMap.Encode(map, layout);

    /// <summary>Makes the context the calling thread's until the result is disposed.</summary>
    public Current Enter()
    {
        CudaDriver.Check(CudaDriver.cuCtxPushCurrent(_handle), "cuCtxPushCurrent");
        return default;
    }

    /// <summary>While it lives, a context is the thread's.</summary>
    public readonly ref struct Current
    {
        /// <summary>Gives the thread its former context back.</summary>
        public void Dispose() => _ = CudaDriver.cuCtxPopCurrent(out _);
    }
}
