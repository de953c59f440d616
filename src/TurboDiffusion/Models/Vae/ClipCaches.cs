using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>The pasts of the clips of a batch, which go through the network one by one: it is fastest on single clips.</summary>
internal sealed class ClipCaches : IDisposable
{
    private readonly CausalCache _weights = new();
    private readonly CausalCache[][] _clips;

    /// <summary>Begins the clips.</summary>
    /// <param name="batch">Their number.</param>
    /// <param name="strips">Strips of a clip that have a past of their own, beside the clip's.</param>
    public ClipCaches(long batch, int strips = 0) =>
        _clips = [.. Enumerable.Range(0, (int)batch).Select(_ =>
            Enumerable.Range(0, 1 + strips).Select(_ => new CausalCache(_weights)).ToArray())];

    /// <summary>Runs a chunk of every clip.</summary>
    /// <param name="chunk"><c>[B, C, T, H, W]</c></param>
    /// <param name="run">Runs one, <c>[1, C, T, H, W]</c>, with its past, and those of its strips.</param>
    /// <returns>The results along the batch.</returns>
    public Tensor Run(Tensor chunk, Func<Tensor, CausalCache[], Tensor> run)
    {
        if (_clips.Length == 1) return run(chunk, _clips[0]);
        using var scope = NewDisposeScope();
        return cat([.. _clips.Select((caches, clip) => run(chunk.narrow(0, clip, 1), caches))], 0).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (CausalCache cache in _clips.SelectMany(caches => caches)) cache.Dispose();
        _weights.Dispose();
    }
}
