namespace TurboDiffusion.Runtime.Cuda;

/// <summary>Pinned host memory, and copies from it to a GPU that run beside everything else. Used by one thread.</summary>
internal interface IPinnedCopies : IDisposable
{
    /// <summary>Takes pinned memory.</summary>
    /// <param name="bytes">How much.</param>
    /// <returns>Its address.</returns>
    nint Allocate(int bytes);

    /// <summary>Gives pinned memory back; no copy from it may be under way.</summary>
    /// <param name="buffer">From <see cref="Allocate"/>.</param>
    void Free(nint buffer);

    /// <summary>Begins a copy.</summary>
    /// <param name="target">An address on the GPU.</param>
    /// <param name="source">Pinned memory, not to be written until <see cref="Wait"/> has returned.</param>
    /// <param name="bytes">How much.</param>
    /// <param name="slot">0 or 1: the number to wait for it by.</param>
    void CopyToDevice(nint target, nint source, int bytes, int slot);

    /// <summary>Waits for the last copy of a slot; returns at once where there was none.</summary>
    /// <param name="slot">0 or 1.</param>
    void Wait(int slot);
}
