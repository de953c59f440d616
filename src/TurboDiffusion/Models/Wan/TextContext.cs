using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>A text as the transformer's blocks see it: per block, keys and values <c>[B, S, H, D]</c>.</summary>
public sealed class TextContext : IDisposable
{
    internal TextContext(IReadOnlyList<(Tensor Keys, Tensor Values)> blocks) => Blocks = blocks;

    internal IReadOnlyList<(Tensor Keys, Tensor Values)> Blocks { get; }

    /// <summary>Takes the tensors out of the current dispose scope: they live until <see cref="Dispose"/>.</summary>
    public void DetachFromDisposeScope()
    {
        foreach ((Tensor keys, Tensor values) in Blocks)
        {
            keys.DetachFromDisposeScope();
            values.DetachFromDisposeScope();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((Tensor keys, Tensor values) in Blocks)
        {
            keys.Dispose();
            values.Dispose();
        }
    }
}
