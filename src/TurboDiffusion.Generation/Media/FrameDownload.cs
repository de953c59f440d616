using TorchSharp;
using TurboDiffusion.Runtime.Copies;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Generation.Media;

/// <summary>
/// Brings decoded frames to host memory as levels. From a GPU they come one chunk later, copied on a stream of its own: whoever takes a
/// chunk does so while the GPU computes the next one, and keeps it from nothing. Its two buffers, as large as the largest chunk was, stay
/// from video to video: to pin memory and to end that takes time, and may wait for the GPU. Used by one thread at a time.
/// </summary>
internal sealed class FrameDownload : IDisposable
{
    private const int Buffers = 2;

    // Four frames of 1280×720: a decoder's first chunk is one frame, and its buffer has room for the third, which is four.
    private const long UsualBytes = 12L << 20;

    private readonly long _leastBytes;
    private readonly Func<torch.Device, IPinnedCopies?> _make;
    private readonly PinnedMemory?[] _buffers = new PinnedMemory?[Buffers];
    private readonly torch.Tensor?[] _levels = new torch.Tensor?[Buffers];
    private IPinnedCopies? _copies;
    private int _next;

    /// <summary>Creates it; memory is taken with the first frames.</summary>
    public FrameDownload()
        : this(device => device.type == DeviceType.CUDA ? new PinnedCopies(device, Buffers) : null, UsualBytes)
    {
    }

    /// <summary>As the public form, with other copies.</summary>
    /// <param name="copies">Makes them for a device; null: frames of that device are copied where they are given.</param>
    /// <param name="leastBytes">What a buffer has at least.</param>
    internal FrameDownload(Func<torch.Device, IPinnedCopies?> copies, long leastBytes = 0) => (_make, _leastBytes) = (copies, leastBytes);

    /// <summary>Takes frames.</summary>
    /// <param name="video"><c>[B, 3, T, H, W]</c>, as <see cref="VideoFrames.FromModelOutput"/>.</param>
    /// <returns>
    /// The frames that were taken before, or, of the CPU, these: <c>[B, T, H, W, 3]</c>, uint8, on the CPU. Null: they come with the next
    /// call. The caller disposes them, before it calls again.
    /// </returns>
    public torch.Tensor? Add(torch.Tensor video)
    {
        _copies ??= _make(video.device);
        if (_copies is null) return VideoFrames.FromModelOutput(video);
        using var scope = torch.NewDisposeScope();
        torch.Tensor levels = VideoFrames.Levels(video).DetachFromDisposeScope();
        try
        {
            PinnedMemory buffer = Buffer(_next, levels.numel());
            _copies.AfterQueued();
            _copies.CopyToHost(buffer.Address, NativeTensor.Address(levels), levels.numel(), _next);
        }
        catch
        {
            levels.Dispose();
            throw;
        }
        _levels[_next] = levels;
        _next = (_next + 1) % Buffers;
        return Arrived(_next)?.MoveToOuterDisposeScope();
    }

    /// <summary>The last frames that were taken; null where they have been given already. The caller disposes them.</summary>
    public torch.Tensor? Last() => Arrived((_next + Buffers - 1) % Buffers);

    /// <summary>Lets go of frames that nobody took, as after a failure; the buffers are kept for the next video.</summary>
    public void Drop()
    {
        for (int slot = 0; slot < Buffers; slot++) Arrived(slot)?.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            Drop();
        }
        finally
        {
            foreach (PinnedMemory? buffer in _buffers) buffer?.Dispose();
            foreach (torch.Tensor? levels in _levels) levels?.Dispose();
            _copies?.Dispose();
            _copies = null;
            Array.Clear(_buffers);
            Array.Clear(_levels);
        }
    }

    // The frames that are on their way into a buffer, once they are there.
    private torch.Tensor? Arrived(int slot)
    {
        if (_levels[slot] is not { } levels) return null;
        _copies!.Wait(slot);
        _levels[slot] = null;
        using (levels)
        {
            using torch.Tensor flat = _buffers[slot]!.Tensor.narrow(0, 0, levels.numel());
            return flat.reshape(levels.shape);
        }
    }

    private PinnedMemory Buffer(int slot, long bytes)
    {
        if (_buffers[slot] is { } held && held.Bytes >= bytes) return held;
        _buffers[slot]?.Dispose();
        _buffers[slot] = null;
        return _buffers[slot] = new PinnedMemory(_copies!, Math.Max(bytes, _leastBytes));
    }
}
