using TurboDiffusion.Operators.Attention;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>
/// The keys and values of the latent frames of a clip that are finished, of every block of the transformer: what later frames attend to.
/// It grows with the clip, by 2 · blocks · tokens · width values a frame.
/// </summary>
public sealed class KeyValueCache : IDisposable
{
    private readonly Dictionary<int, KeyValues> _blocks = [];

    /// <summary>The latent frames that it holds.</summary>
    public long Frames { get; private set; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (KeyValues block in _blocks.Values) block.Dispose();
        _blocks.Clear();
        Frames = 0;
    }

    /// <summary>The attention of one block: to what is held, and to the tokens themselves.</summary>
    /// <param name="block">Which.</param>
    /// <param name="keep">Whether the tokens are finished, and held from now on.</param>
    internal CausalAttention Attention(int block, bool keep) => (q, k, v) =>
    {
        using var scope = NewDisposeScope();
        bool first = !_blocks.TryGetValue(block, out KeyValues past);
        KeyValues all = first ? new KeyValues(k, v) : new KeyValues(cat([past.Keys, k], dim: 1), cat([past.Values, v], dim: 1));
        if (keep)
        {
            if (!first) past.Dispose();
            // Those of the first frames are the caller's tensors, of which a copy stays.
            KeyValues held = first ? new KeyValues(k.clone(), v.clone()) : all;
            held.DetachFromDisposeScope();
            _blocks[block] = held;
        }
        return DenseAttention.Attend(q, all.Keys, all.Values).MoveToOuterDisposeScope();
    };

    /// <summary>Frames whose keys and values every block has taken.</summary>
    internal void Add(long frames) => Frames += frames;
}
