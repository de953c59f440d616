using System.Runtime.InteropServices;
using TorchSharp;
using TurboDiffusion.Runtime.Cuda;
using Xunit;

namespace TurboDiffusion.Tests.Gpu;

/// <summary>
/// A GPU of less memory: what is free beyond a budget is taken by the driver, so that libtorch's allocator meets the end of it, as on a
/// smaller card. Until it is disposed.
/// </summary>
internal sealed partial class GpuMemoryCap : IDisposable
{
    private readonly CudaContext _context = CudaContext.Of(torch.CUDA);
    private readonly ulong _ballast;

    /// <summary>Takes the memory.</summary>
    /// <param name="budget">Bytes that stay free.</param>
    public GpuMemoryCap(long budget)
    {
        (long free, _) = DeviceMemory.OfGpu(0);
        Assert.True(free > budget, $"{free} bytes of GPU memory are free, fewer than the budget of {budget}");
        using CudaContext.Current current = _context.Enter();
        CudaDriver.Check(cuMemAlloc(out _ballast, (nuint)(free - budget)), "cuMemAlloc");
    }

    public void Dispose()
    {
        using CudaContext.Current current = _context.Enter();
        CudaDriver.Check(cuMemFree(_ballast), "cuMemFree");
    }

    [LibraryImport("libcuda.so.1", EntryPoint = "cuMemAlloc_v2")]
    private static partial int cuMemAlloc(out ulong address, nuint bytes);

    [LibraryImport("libcuda.so.1", EntryPoint = "cuMemFree_v2")]
    private static partial int cuMemFree(ulong address);
}
