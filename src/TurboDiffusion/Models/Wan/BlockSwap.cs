using TurboDiffusion.Runtime.Copies;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Models.Wan;

/// <summary>
/// Runs blocks whose weights stay in host memory: a few slots on the device hold one block each, and while a block runs, the next one is
/// copied beside it. After the last comes the first, for the step that follows.
/// </summary>
internal sealed class BlockSwap : IDisposable
{
    /// <summary>One block that runs and one that is copied: all blocks take the same time, so that more slots gain nothing.</summary>
    public const int UsualSlots = 2;

    private const int Empty = -1;

    private readonly IReadOnlyList<WeightArena> _host;
    private readonly IPinnedCopies _copies;
    private readonly List<nint> _pinned = [];
    private readonly List<(WanBlock Block, WeightArena Memory)> _slots = [];
    private readonly int[] _holds;

    /// <summary>Pins the weights and takes the slots.</summary>
    /// <param name="host">The weights of each block, in host memory; they stay the caller's, and must outlive this.</param>
    /// <param name="slot">Makes a block on the device, and the arena that its weights lie in: a slot.</param>
    /// <param name="copies">The copies, with as many slots; this object's.</param>
    /// <param name="slots">How many blocks are on the device.</param>
    public BlockSwap(
        IReadOnlyList<WeightArena> host, Func<(WanBlock Block, WeightArena Memory)> slot, IPinnedCopies copies, int slots = UsualSlots)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(slots, 2);
        (_host, _copies) = (host, copies);
        _holds = new int[Math.Min(slots, host.Count)];
        Array.Fill(_holds, Empty);
        try
        {
            foreach ((nint address, long bytes) in host.SelectMany(weights => weights.Stretches))
                if (copies.Pin(address, PageTensor.PageBytes(bytes))) _pinned.Add(address);
            while (_slots.Count < _holds.Length) _slots.Add(slot());
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>
    /// A block on the device, for what is queued from now on; the blocks after it are on their way when this returns. Every use of another
    /// block must be queued by then.
    /// </summary>
    /// <param name="number">Its number.</param>
    public WanBlock Enter(int number)
    {
        int Of(int ahead) => (number + ahead) % _host.Count;
        int[] wanted = [.. Enumerable.Range(0, _holds.Length).Select(Of)];
        // What is in the queue now may read the weights that are about to be overwritten.
        if (wanted.Any(block => !_holds.Contains(block))) _copies.AfterQueued();
        foreach (int block in wanted)
            if (!_holds.Contains(block)) Fetch(block, Array.FindIndex(_holds, held => !wanted.Contains(held)));
        int slot = Array.IndexOf(_holds, number);
        _copies.BeforeQueued(slot);
        return _slots[slot].Block;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            for (int slot = 0; slot < _holds.Length; slot++) _copies.Wait(slot);
        }
        finally
        {
            foreach (nint address in _pinned) _copies.Unpin(address);
            _pinned.Clear();
            _copies.Dispose();
            foreach ((WanBlock block, WeightArena memory) in _slots)
            {
                block.Dispose();
                memory.Dispose();
            }
            _slots.Clear();
        }
    }

    private void Fetch(int block, int slot)
    {
        // Of a copy that fails, nothing is known to be there.
        _holds[slot] = Empty;
        foreach (((nint source, long bytes), (nint target, _)) in _host[block].Stretches.Zip(_slots[slot].Memory.Stretches))
            _copies.CopyToDevice(target, source, bytes, slot);
        _holds[slot] = block;
    }
}
