namespace TurboDiffusion.Runtime.Copies;

/// <summary>
/// Copies between pinned host memory and a GPU that run beside everything else, each in a slot by which it is waited for. Used by one
/// thread.
/// </summary>
internal interface IPinnedCopies : IDisposable
{
    /// <summary>
    /// Pins host memory, so that copies from and to it need no thread. What cannot be pinned is copied all the same, slower.
    /// </summary>
    /// <param name="address">Its first byte, at the beginning of a page.</param>
    /// <param name="bytes">How much: whole pages.</param>
    /// <returns>Whether it is pinned.</returns>
    bool Pin(nint address, long bytes);

    /// <summary>Ends what <see cref="Pin"/> began, where it returned true; no copy from the memory may be under way.</summary>
    /// <param name="address">Its first byte.</param>
    void Unpin(nint address);

    /// <summary>Begins a copy.</summary>
    /// <param name="target">An address on the GPU.</param>
    /// <param name="source">Host memory, not to be written until <see cref="Wait"/> has returned.</param>
    /// <param name="bytes">How much.</param>
    /// <param name="slot">The number to wait for it by, from 0.</param>
    void CopyToDevice(nint target, nint source, long bytes, int slot);

    /// <summary>Begins a copy the other way.</summary>
    /// <param name="target">Host memory, not to be read until <see cref="Wait"/> has returned.</param>
    /// <param name="source">An address on the GPU.</param>
    /// <param name="bytes">How much.</param>
    /// <param name="slot">The number to wait for it by, from 0.</param>
    void CopyToHost(nint target, nint source, long bytes, int slot);

    /// <summary>Waits for the last copy of a slot; returns at once where there was none.</summary>
    /// <param name="slot">Its number.</param>
    void Wait(int slot);

    /// <summary>Lets copies that are begun from now on wait until what libtorch's queue holds now is done. Does not wait itself.</summary>
    void AfterQueued();

    /// <summary>Lets what is queued in libtorch from now on wait for the last copy of a slot. Does not wait itself.</summary>
    /// <param name="slot">Its number.</param>
    void BeforeQueued(int slot);
}
