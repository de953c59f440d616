using TurboDiffusion.Runtime.Copies;
using TurboDiffusion.Runtime.Cuda;
using Xunit;

namespace TurboDiffusion.Tests.Runtime;

/// <summary>Copies on the CPU that happen as late as a GPU's may: when they are waited for, or when kernels are to see them.</summary>
internal sealed unsafe class LateCopies : IPinnedCopies
{
    private readonly List<(nint Target, nint Source, long Bytes, int Slot)> _pending = [];
    private readonly Dictionary<nint, long> _pinned = [];

    public Exception? Failure { get; set; }

    public Exception? WaitFailure { get; set; }

    public bool RefusesToPin { get; init; }

    public int Pinned => _pinned.Count;

    /// <summary>How often memory was pinned.</summary>
    public int Pins { get; private set; }

    public int Count { get; private set; }

    public bool Disposed { get; private set; }

    public bool Pin(nint address, long bytes)
    {
        Assert.Equal((0, 0), (address % 4096, bytes % 4096));
        if (RefusesToPin) return false;
        _pinned.Add(address, bytes);
        Pins++;
        return true;
    }

    public void Unpin(nint address)
    {
        Assert.True(_pinned.Remove(address, out long bytes));
        foreach ((nint target, nint source, _, _) in _pending)
            Assert.DoesNotContain(new[] { target, source }, at => at >= address && at < address + bytes);
    }

    public void CopyToDevice(nint target, nint source, long bytes, int slot)
    {
        if (Failure is { } failure) throw failure;
        _pending.Add((target, source, bytes, slot));
        Count++;
    }

    public void CopyToHost(nint target, nint source, long bytes, int slot) => CopyToDevice(target, source, bytes, slot);

    public void Wait(int slot)
    {
        if (WaitFailure is { } failure) throw failure;
        // A stream: with a copy, those before it are done.
        int last = _pending.FindLastIndex(copy => copy.Slot == slot);
        foreach ((nint target, nint source, long bytes, _) in _pending.Take(last + 1))
            Buffer.MemoryCopy((void*)source, (void*)target, bytes, bytes);
        _pending.RemoveRange(0, last + 1);
    }

    public void AfterQueued()
    {
    }

    public void BeforeQueued(int slot) => Wait(slot);

    public void Dispose()
    {
        Assert.Empty(_pinned);
        Disposed = true;
    }
}
