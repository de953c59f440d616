using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>
/// The past of one clip that is encoded or decoded chunk by chunk: for every causal convolution, the last input frames
/// that its next chunk needs. The network itself keeps no state, so clips can be interleaved, each with its own cache.
/// </summary>
internal sealed class CausalCache : IDisposable
{
    private readonly Dictionary<CausalConv3d, Tensor> _past = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<CausalConv3d, WindowWeights> _weights = new(ReferenceEqualityComparer.Instance);

    /// <summary>The frames kept for a convolution, <c>[B, C, frames, H, W]</c>; null before its first chunk.</summary>
    public Tensor? Past(CausalConv3d convolution) => _past.GetValueOrDefault(convolution);

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

    /// <summary>A convolution's weights as its windows need them, made at the clip's first chunk.</summary>
    public WindowWeights Weights(CausalConv3d convolution, Func<WindowWeights> make)
    {
        if (_weights.TryGetValue(convolution, out WindowWeights? known)) return known;
        return _weights[convolution] = make().DetachFromDisposeScope();
    }

    public void Dispose()
    {
        foreach (WindowWeights weights in _weights.Values) weights.Dispose();
        _weights.Clear();
        foreach (Tensor frames in _past.Values) frames.Dispose();
        _past.Clear();
    }
}
