using TorchSharp;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Runtime.Copies;

/// <summary><see cref="IPinnedCopies"/> by the driver, on a stream that does not wait for libtorch's.</summary>
internal sealed class PinnedCopies : IPinnedCopies
{
    private const int AlreadyPinned = 712;

    private readonly CudaContext _context;
    private readonly nint _stream, _kernels;
    private readonly nint[] _events;
    private readonly bool[] _pending;

    /// <summary>Makes the stream.</summary>
    /// <param name="device">A GPU.</param>
    /// <param name="slots">How many copies can be waited for by themselves.</param>
    /// <exception cref="EnvironmentException">The driver refuses.</exception>
    public PinnedCopies(torch.Device device, int slots)
    {
        _context = CudaContext.Of(device);
        _events = new nint[slots];
        _pending = new bool[slots];
        using CudaContext.Current current = _context.Enter();
        CudaDriver.Check(CudaDriver.cuStreamCreate(out _stream, CudaDriver.NonBlockingStream), "cuStreamCreate");
        CudaDriver.Check(CudaDriver.cuEventCreate(out _kernels, CudaDriver.EventWithoutTiming), "cuEventCreate");
        for (int slot = 0; slot < slots; slot++)
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

    public bool Pin(nint address, long bytes)
    {
        using CudaContext.Current current = _context.Enter();
        int result = CudaDriver.cuMemHostRegister(address, (nuint)bytes, 0);
        // Whoever pinned it ends it, too.
        if (result == AlreadyPinned) return false;
        if (result != 0) PinnedMemory.Refuse(bytes, CudaDriver.NameOf(result));
        return result == 0;
    }

    public void Unpin(nint address)
    {
        using CudaContext.Current current = _context.Enter();
        _ = CudaDriver.cuMemHostUnregister(address);
    }

    public void CopyToDevice(nint target, nint source, long bytes, int slot)
    {
        using CudaContext.Current current = _context.Enter();
        CudaDriver.Check(CudaDriver.cuMemcpyHtoDAsync((ulong)target, source, (nuint)bytes, _stream), "cuMemcpyHtoDAsync");
        Begun(slot);
    }

    public void CopyToHost(nint target, nint source, long bytes, int slot)
    {
        using CudaContext.Current current = _context.Enter();
        CudaDriver.Check(CudaDriver.cuMemcpyDtoHAsync(target, (ulong)source, (nuint)bytes, _stream), "cuMemcpyDtoHAsync");
        Begun(slot);
    }

    public void Wait(int slot)
    {
        if (!_pending[slot]) return;
        using CudaContext.Current current = _context.Enter();
        CudaDriver.Check(CudaDriver.cuEventSynchronize(_events[slot]), "cuEventSynchronize");
        _pending[slot] = false;
    }

    public void AfterQueued()
    {
        using CudaContext.Current current = _context.Enter();
        CudaDriver.Check(CudaDriver.cuEventRecord(_kernels, CudaDriver.TorchStream), "cuEventRecord");
        CudaDriver.Check(CudaDriver.cuStreamWaitEvent(_stream, _kernels, 0), "cuStreamWaitEvent");
    }

    public void BeforeQueued(int slot)
    {
        if (!_pending[slot]) return;
        using CudaContext.Current current = _context.Enter();
        CudaDriver.Check(CudaDriver.cuStreamWaitEvent(CudaDriver.TorchStream, _events[slot], 0), "cuStreamWaitEvent");
    }

    public void Dispose()
    {
        using CudaContext.Current current = _context.Enter();
        _ = CudaDriver.cuStreamSynchronize(_stream);
        foreach (nint handle in _events.Append(_kernels)) _ = CudaDriver.cuEventDestroy(handle);
        _ = CudaDriver.cuStreamDestroy(_stream);
    }

    private void Begun(int slot)
    {
        CudaDriver.Check(CudaDriver.cuEventRecord(_events[slot], _stream), "cuEventRecord");
        _pending[slot] = true;
    }
}
