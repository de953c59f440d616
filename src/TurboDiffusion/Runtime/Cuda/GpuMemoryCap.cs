using TorchSharp;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>
/// A GPU of less memory: the rest is taken by the driver, so that libtorch's allocator meets the end of it as on a smaller card. Until it
/// is disposed.
/// </summary>
internal sealed class GpuMemoryCap : IDisposable
{
    private readonly CudaContext _context;
    private readonly ulong _ballast;

    private GpuMemoryCap(torch.Device device, long ballast)
    {
        _context = CudaContext.Of(device);
        Bytes = Math.Max(0, ballast);
        using CudaContext.Current current = _context.Enter();
        if (ballast > 0) CudaDriver.Check(CudaDriver.cuMemAlloc(out _ballast, (nuint)ballast), $"cuMemAlloc of {ballast} bytes");
    }

    /// <summary>What it has taken.</summary>
    public long Bytes { get; }

    /// <summary>Leaves a GPU as much memory as a smaller card has, what is taken already included.</summary>
    /// <param name="device">The GPU.</param>
    /// <param name="bytes">The memory of the smaller card; nothing is taken where the GPU has no more.</param>
    public static GpuMemoryCap Leave(torch.Device device, long bytes) =>
        new(device, DeviceMemory.OfGpu(Math.Max(device.index, 0)).Total - bytes);

    /// <summary>Leaves so much free.</summary>
    /// <param name="device">The GPU.</param>
    /// <param name="bytes">Bytes that stay free; nothing is taken where there are no more.</param>
    public static GpuMemoryCap LeaveFree(torch.Device device, long bytes) =>
        new(device, DeviceMemory.OfGpu(Math.Max(device.index, 0)).Free - bytes);

    /// <inheritdoc/>
    public void Dispose()
    {
        using CudaContext.Current current = _context.Enter();
        if (_ballast != 0) _ = CudaDriver.cuMemFree(_ballast);
    }
}
