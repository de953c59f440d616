namespace TurboDiffusion.Runtime.Copies;

/// <summary><see cref="IPinnedCopies"/> where the device is the CPU: a copy is over when it has begun.</summary>
internal sealed unsafe class HostCopies : IPinnedCopies
{
    public bool Pin(nint address, long bytes) => false;

    public void Unpin(nint address)
    {
    }

    public void CopyToDevice(nint target, nint source, long bytes, int slot) =>
        Buffer.MemoryCopy((void*)source, (void*)target, bytes, bytes);

    public void CopyToHost(nint target, nint source, long bytes, int slot) =>
        Buffer.MemoryCopy((void*)source, (void*)target, bytes, bytes);

    public void Wait(int slot)
    {
    }

    public void AfterQueued()
    {
    }

    public void BeforeQueued(int slot)
    {
    }

    public void Dispose()
    {
    }
}
