using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// The residual stream between the layers of a block, with what the product that ended in it knows of its rows, so that the
/// normalisation that follows need not read them for it.
/// </summary>
/// <param name="Values"><c>[B, L, dim]</c></param>
/// <param name="Moments">
/// Float32 <c>[B·L, dim/128, 2]</c>: of every row's 128 columns, the mean and the sum of squared deviations from it, before the values
/// were rounded; null: not known.
/// </param>
internal sealed record HiddenStates(Tensor Values, Tensor? Moments = null) : IDisposable
{
    /// <summary>Leaves its tensors to the dispose scope around the current one.</summary>
    /// <returns>Itself.</returns>
    public HiddenStates MoveToOuterDisposeScope()
    {
        Values.MoveToOuterDisposeScope();
        Moments?.MoveToOuterDisposeScope();
        return this;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Values.Dispose();
        Moments?.Dispose();
    }
}
