using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>The pasts of the clips of a batch, which go through the network one by one: it is fastest on single clips.</summary>
internal sealed class ClipCaches : IDisposable
{
    private readonly CausalCache[] _clips;

    /// <summary>Begins the clips.</summary>
    /// <param name="batch">Their number.</param>
    public ClipCaches(long batch)
    {
        var first = new CausalCache();
        _clips = [first, .. Enumerable.Range(1, (int)batch - 1).Select(_ => new CausalCache(first))];
    }

    /// <summary>Runs a chunk of every clip.</summary>
    /// <param name="chunk"><c>[B, C, T, H, W]</c></param>
    /// <param name="run">Runs one, <c>[1, C, T, H, W]</c>, with its past.</param>
    /// <returns>The results along the batch.</returns>
    public Tensor Run(Tensor chunk, Func<Tensor, CausalCache, Tensor> run)
    {
        if (_clips.Length == 1) return run(chunk, _clips[0]);
        using var scope = NewDisposeScope();
        return cat([.. _clips.Select((cache, clip) => run(chunk.narrow(0, clip, 1), cache))], 0).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        // The first has the weights of all.
        foreach (CausalCache clip in _clips.Reverse()) clip.Dispose();
    }
}
