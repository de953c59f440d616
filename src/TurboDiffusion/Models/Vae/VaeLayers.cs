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
            Tensor output = layer.Run(x, cache, cancellationToken);
            if (!ReferenceEquals(x, input)) x.Dispose();
            x = output;
        }
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Runs layers that leave time as it is. With a cache, the frames of a chunk go through a few at a time: the result is the same, and
    /// the tensors of these layers, which are the largest, a fraction of the size.
    /// </summary>
    /// <param name="layers">The layers.</param>
    /// <param name="input"><c>[B, C, T, H, W]</c></param>
    /// <param name="together">Frames at a time.</param>
    /// <param name="cache">The clip's past, or null.</param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    public static Tensor RunFewFrames(
        IReadOnlyList<VaeLayer> layers, Tensor input, int together, CausalCache? cache, CancellationToken cancellationToken)
    {
        if (cache is null || input.size(2) <= together) return Run(layers, input, cache, cancellationToken);
        using var scope = NewDisposeScope();
        Tensor[] parts = [.. input.split(together, 2).Select(part => Run(layers, part, cache, cancellationToken))];
        return cat(parts, dim: 2).MoveToOuterDisposeScope();
    }
}
