using TorchSharp;
using TurboDiffusion.Runtime.Copies;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Generation.Media;

/// <summary>
/// Brings decoded frames to host memory as levels. From a GPU they come one chunk later, copied on a stream of its own: whoever takes a
/// chunk does so while the GPU computes the next one, and keeps it from nothing.
/// </summary>
internal sealed class FrameDownload : IDisposable
{
    private const int Buffers = 2;

    private readonly Func<torch.Device, IPinnedCopies?> _make;
    private readonly PinnedMemory?[] _buffers = new PinnedMemory?[Buffers];
    private IPinnedCopies? _copies;
    private torch.Tensor? _levels;
    private int _next;

    /// <summary>Creates it; memory is taken with the first frames.</summary>
    public FrameDownload()
        : this(device => device.type == DeviceType.CUDA ? new PinnedCopies(device, Buffers) : null)
    {
    }

    /// <summary>As the public form, with other copies.</summary>
    /// <param name="copies">Makes them for a device; null: frames of that device are copied where they are given.</param>
    internal FrameDownload(Func<torch.Device, IPinnedCopies?> copies) => _make = copies;

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
        torch.Tensor? before = Arrived();
        (_levels, _next) = (levels, (_next + 1) % Buffers);
        return before?.MoveToOuterDisposeScope();
    }

    /// <summary>The last frames that were taken; null where they have been given already. The caller disposes them.</summary>
    public torch.Tensor? Last() => Arrived();

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            for (int slot = 0; _copies is not null && slot < Buffers; slot++) _copies.Wait(slot);
        }
        finally
        {
            foreach (PinnedMemory? buffer in _buffers) buffer?.Dispose();
            _levels?.Dispose();
            _copies?.Dispose();
            (_levels, _copies) = (null, null);
            Array.Clear(_buffers);
        }
    }

    // The frames that were taken last, once they are in their buffer.
    private torch.Tensor? Arrived()
    {
        if (_levels is null) return null;
        int slot = (_next + Buffers - 1) % Buffers;
        _copies!.Wait(slot);
        using torch.Tensor levels = _levels;
        _levels = null;
        using torch.Tensor flat = _buffers[slot]!.Tensor.narrow(0, 0, levels.numel());
        return flat.reshape(levels.shape);
    }

    private PinnedMemory Buffer(int slot, long bytes)
    {
        if (_buffers[slot] is { } held && held.Bytes >= bytes) return held;
        _buffers[slot]?.Dispose();
        _buffers[slot] = null;
        return _buffers[slot] = new PinnedMemory(_copies!, bytes);
    }
}
