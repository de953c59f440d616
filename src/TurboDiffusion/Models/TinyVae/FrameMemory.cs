using static TorchSharp.torch;

namespace TurboDiffusion.Models.TinyVae;

/// <summary>The past of one clip that goes through in chunks: of every layer that looks back, its last input frame.</summary>
internal sealed class FrameMemory : IDisposable
{
    private readonly Dictionary<TinyLayer, Tensor> _frames = new(ReferenceEqualityComparer.Instance);

    /// <summary>The frame before the chunk, <c>[B, 1, C, H, W]</c>; null before the first.</summary>
    public Tensor? Before(TinyLayer layer) => _frames.GetValueOrDefault(layer);

    /// <summary>Keeps a copy of a frame, in place of the one kept before.</summary>
    public void Keep(TinyLayer layer, Tensor frame)
    {
        // A copy, since a view would keep the chunk alive; out of all scopes, since it outlives the chunk's.
        Tensor copy = frame.clone().DetachFromDisposeScope();
        if (_frames.Remove(layer, out Tensor? old)) old.Dispose();
        _frames[layer] = copy;
    }

    public void Dispose()
    {
        foreach (Tensor frame in _frames.Values) frame.Dispose();
        _frames.Clear();
    }
}
