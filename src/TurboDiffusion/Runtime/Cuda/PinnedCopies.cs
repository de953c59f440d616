using TorchSharp;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary><see cref="IPinnedCopies"/> by the driver, on a stream that does not wait for libtorch's.</summary>
internal sealed class PinnedCopies : IPinnedCopies
{
    private const int Slots = 2;

    private readonly CudaContext _context;
    private readonly nint _stream;
    private readonly nint[] _events = new nint[Slots];
    private readonly bool[] _pending = new bool[Slots];

    /// <summary>Makes the stream.</summary>
    /// <param name="device">A GPU.</param>
    /// <exception cref="EnvironmentException">The driver refuses.</exception>
    public PinnedCopies(torch.Device device)
    {
        _context = CudaContext.Of(device);
        using CudaContext.Current current = _context.Enter();
        CudaDriver.Check(CudaDriver.cuStreamCreate(out _stream, CudaDriver.NonBlockingStream), "cuStreamCreate");
        for (int slot = 0; slot < Slots; slot++)
            CudaDriver.Check(CudaDriver.cuEventCreate(out _events[slot], CudaDriver.EventWithoutTiming), "cuEventCreate");
    }

    /// <summary>
    /// Waits until libtorch's queue is empty: its allocator hands out memory that earlier kernels of its own stream may still use, and
    /// these copies do not wait for that stream.
    /// </summary>
    /// <param name="device">A GPU.</param>
    public static void WaitForTorch(torch.Device device)
    {
        using CudaContext.Current current = CudaContext.Of(device).Enter();
        CudaDriver.Check(CudaDriver.cuStreamSynchronize(CudaDriver.TorchStream), "cuStreamSynchronize");
    }

    public nint Allocate(int bytes)
    {
        using CudaContext.Current current = _context.Enter();
        CudaDriver.Check(CudaDriver.cuMemHostAlloc(out nint buffer, (nuint)bytes, 0), $"cuMemHostAlloc of {bytes} bytes",
            "free host memory, or raise the limit of locked memory (ulimit -l)");
        return buffer;
    }

    public void Free(nint buffer)
    {
        using CudaContext.Current current = _context.Enter();
        _ = CudaDriver.cuMemFreeHost(buffer);
    }

    public void CopyToDevice(nint target, nint source, int bytes, int slot)
    {
        using CudaContext.Current current = _context.Enter();
        CudaDriver.Check(CudaDriver.cuMemcpyHtoDAsync((ulong)target, source, (nuint)bytes, _stream), "cuMemcpyHtoDAsync");
        CudaDriver.Check(CudaDriver.cuEventRecord(_events[slot], _stream), "cuEventRecord");
        _pending[slot] = true;
    }

    public void Wait(int slot)
    {
        if (!_pending[slot]) return;
        using CudaContext.Current current = _context.Enter();
        CudaDriver.Check(CudaDriver.cuEventSynchronize(_events[slot]), "cuEventSynchronize");
        _pending[slot] = false;
    }

    public void Dispose()
    {
        using CudaContext.Current current = _context.Enter();
        _ = CudaDriver.cuStreamSynchronize(_stream);
        foreach (nint handle in _events) _ = CudaDriver.cuEventDestroy(handle);
        _ = CudaDriver.cuStreamDestroy(_stream);
    }
}
