using System.Globalization;
using TorchSharp;

namespace TurboDiffusion.Runtime.Copies;

/// <summary>A buffer in host memory, pinned where the driver allows it; and what there is to say where it does not.</summary>
internal sealed class PinnedMemory : IDisposable
{
    private static string? _refusal;

    private readonly IPinnedCopies _copies;
    private readonly bool _pinned;

    /// <summary>Takes the memory.</summary>
    /// <param name="copies">What pins it; stays the caller's.</param>
    /// <param name="bytes">How much.</param>
    public PinnedMemory(IPinnedCopies copies, long bytes)
    {
        _copies = copies;
        Bytes = PageTensor.PageBytes(bytes);
        Tensor = PageTensor.Empty(torch.CPU, torch.ScalarType.Byte, Bytes);
        Address = NativeTensor.Address(Tensor);
        try
        {
            _pinned = copies.Pin(Address, Bytes);
        }
        catch
        {
            Tensor.Dispose();
            throw;
        }
    }

    /// <summary>What to tell the user, once: that memory could not be pinned. Null: nothing.</summary>
    public static string? Refusal => _refusal;

    /// <summary>The first byte.</summary>
    public nint Address { get; }

    /// <summary>How much there is.</summary>
    public long Bytes { get; }

    /// <summary>The same memory, uint8 <c>[Bytes]</c>.</summary>
    public torch.Tensor Tensor { get; }

    /// <summary>Says that the driver refuses to pin memory.</summary>
    /// <param name="bytes">How much was to be pinned.</param>
    /// <param name="reason">The driver's.</param>
    public static void Refuse(long bytes, string reason) => Interlocked.CompareExchange(ref _refusal,
        $"{(bytes / 1e6).ToString("0", CultureInfo.InvariantCulture)} MB of host memory could not be pinned ({reason}): copies between it "
            + "and the GPU take longer. Free host memory, or raise the limit of locked memory (ulimit -l).", null);

    /// <summary>Frees it; no copy from or to it may be under way.</summary>
    public void Dispose()
    {
        if (Tensor.IsInvalid) return;
        if (_pinned) _copies.Unpin(Address);
        Tensor.Dispose();
    }
}
