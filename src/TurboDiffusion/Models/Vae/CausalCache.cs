using TorchSharp;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>
/// The past of one clip that is encoded or decoded chunk by chunk: for every causal convolution, the last input frames
/// that its next chunk needs. The network itself keeps no state, so clips can be interleaved, each with its own cache.
/// </summary>
internal sealed class CausalCache : IDisposable
{
    private readonly Dictionary<CausalConv3d, Tensor> _past = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<CausalConv3d, Tensor[]> _frames = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<nn.Module, IDisposable> _prepared;
    private readonly bool _ownsPrepared;

    /// <summary>Begins a clip.</summary>
    /// <param name="sibling">Another clip's, which lives at least as long, to share its prepared weights; or null.</param>
    public CausalCache(CausalCache? sibling = null) =>
        (_prepared, _ownsPrepared) = (sibling?._prepared ?? new(ReferenceEqualityComparer.Instance), sibling is null);

    /// <summary>Bytes of all frames that are kept.</summary>
    public long Bytes =>
        _past.Values.Concat(_frames.Values.SelectMany(frames => frames)).Sum(frames => frames.numel() * frames.element_size());

    /// <summary>The frames kept for a convolution, <c>[B, C, frames, H, W]</c>; null before its first chunk.</summary>
    public Tensor? Past(CausalConv3d convolution) => _past.GetValueOrDefault(convolution);

    /// <summary>Whether a convolution has had a chunk.</summary>
    public bool HasBegun(CausalConv3d convolution) => _past.ContainsKey(convolution) || _frames.ContainsKey(convolution);

    /// <summary>Keeps a copy of the frames, in place of those kept before.</summary>
    public void Keep(CausalConv3d convolution, Tensor frames)
    {
        // A copy, since a view would keep the whole chunk alive; out of all scopes, since it outlives this chunk's.
        Tensor copy = frames.clone().DetachFromDisposeScope();
        if (_past.Remove(convolution, out Tensor? old)) old.Dispose();
        _past[convolution] = copy;
    }

    /// <summary>Keeps frames that are nobody else's, in place of those kept before.</summary>
    public void Take(CausalConv3d convolution, Tensor frames)
    {
        if (_past.Remove(convolution, out Tensor? old)) old.Dispose();
        _past[convolution] = frames.DetachFromDisposeScope();
    }

    /// <summary>
    /// A convolution's past frames, fewer at a clip's begin, followed by those of its next chunk. The last of them are kept as they are,
    /// not to be written.
    /// </summary>
    /// <param name="convolution">The convolution.</param>
    /// <param name="frames">The chunk's frames.</param>
    /// <param name="kept">Frames that the next chunk needs.</param>
    /// <param name="scope">Gets those that are not kept any more.</param>
    public IReadOnlyList<Tensor> Advance(CausalConv3d convolution, IReadOnlyList<Tensor> frames, int kept, DisposeScope scope)
    {
        Tensor[] past = _frames.GetValueOrDefault(convolution, []), all = [.. past, .. frames];
        int gone = Math.Max(all.Length - kept, 0);
        _frames[convolution] = [.. all[gone..].Select(frame => frame.DetachFromDisposeScope())];
        foreach (Tensor frame in past.Take(gone)) scope.Attach(frame);
        return all;
    }

    /// <summary>A layer's weights as it needs them for the chunks of a clip, made at the first one.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="make">Makes them, in no dispose scope.</param>
    public T Prepared<T>(nn.Module layer, Func<T> make)
        where T : IDisposable
    {
        if (_prepared.TryGetValue(layer, out IDisposable? known)) return (T)known;
        T made = make();
        _prepared[layer] = made;
        return made;
    }

    public void Dispose()
    {
        if (_ownsPrepared)
        {
            foreach (IDisposable weights in _prepared.Values) weights.Dispose();
            _prepared.Clear();
        }
        foreach (Tensor frame in _frames.Values.SelectMany(frames => frames)) frame.Dispose();
        _frames.Clear();
        foreach (Tensor frames in _past.Values) frames.Dispose();
        _past.Clear();
    }
}
