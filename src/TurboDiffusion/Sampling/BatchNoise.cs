using static TorchSharp.torch;

namespace TurboDiffusion.Sampling;

/// <summary>The noise of a batch: one stream for each item, so that an item's noise does not depend on its neighbours.</summary>
/// <param name="streams">One for each item of the batch, in order.</param>
public sealed class BatchNoise(IReadOnlyList<INoiseSource> streams) : INoiseSource
{
    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The first size is not the number of streams.</exception>
    public Tensor Normal(params long[] shape)
    {
        if (shape.Length == 0 || shape[0] != streams.Count)
            throw new ArgumentException($"Noise of the shape [{string.Join(", ", shape)}] was asked for; the batch has {streams.Count} "
                + "items.", nameof(shape));
        using var scope = NewDisposeScope();
        return cat([.. streams.Select(stream => stream.Normal([1, .. shape[1..]]))]).MoveToOuterDisposeScope();
    }
}
