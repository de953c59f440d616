using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>Runs layers one after another, freeing each intermediate tensor once it has been read.</summary>
internal static class VaeLayers
{
    /// <summary>Runs layers on a chunk (or, without a cache, on a whole clip).</summary>
    public static Tensor Run(IReadOnlyList<VaeLayer> layers, Tensor input, CausalCache? cache, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        Tensor x = input;
        foreach (VaeLayer layer in layers)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Tensor output = layer.forward(x, cache);
            if (!ReferenceEquals(x, input)) x.Dispose();
            x = output;
        }
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Runs layers that leave time as it is. With a cache, the frames of a chunk go through one by one: the result is the
    /// same, and the tensors of these layers, which are the largest, a quarter of the size.
    /// </summary>
    public static Tensor RunFrameByFrame(IReadOnlyList<VaeLayer> layers, Tensor input, CausalCache? cache, CancellationToken cancellationToken)
    {
        if (cache is null || input.shape[2] == 1) return Run(layers, input, cache, cancellationToken);
        using var scope = NewDisposeScope();
        Tensor[] frames = [.. input.split(1, 2).Select(frame => Run(layers, frame, cache, cancellationToken))];
        return cat(frames, dim: 2).MoveToOuterDisposeScope();
    }
}
