using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>The keys and values of one sequence in one block.</summary>
/// <param name="Keys"><c>[B, S, H, D]</c></param>
/// <param name="Values"><c>[B, S, H, D]</c></param>
public readonly record struct KeyValues(Tensor Keys, Tensor Values) : IDisposable
{
    /// <summary>From this row on all rows are that of the row before it; null: they may all differ.</summary>
    internal long? Distinct { get; init; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Keys.Dispose();
        Values.Dispose();
    }

    /// <summary>The same for every member of a batch, where they are of one.</summary>
    internal KeyValues Expand(long batch) =>
        Keys.size(0) == batch ? this
            : this with { Keys = Keys.expand(batch, -1, -1, -1), Values = Values.expand(batch, -1, -1, -1) };

    internal void DetachFromDisposeScope()
    {
        Keys.DetachFromDisposeScope();
        Values.DetachFromDisposeScope();
    }

    internal KeyValues MoveToOuterDisposeScope()
    {
        Keys.MoveToOuterDisposeScope();
        Values.MoveToOuterDisposeScope();
        return this;
    }
}
