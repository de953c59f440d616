using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>A loss and the values on the way to it.</summary>
/// <param name="PerSample">One value per sample, <c>[B]</c>; carries the gradient. A step minimises the mean.</param>
/// <param name="Intermediates">Detached values by name, for tests and diagnostics.</param>
public sealed record LossResult(Tensor PerSample, IReadOnlyDictionary<string, Tensor> Intermediates)
{
    /// <summary>Moves the loss and the values out of the current dispose scope.</summary>
    internal LossResult MoveToOuterDisposeScope()
    {
        PerSample.MoveToOuterDisposeScope();
        foreach (Tensor value in Intermediates.Values) value.MoveToOuterDisposeScope();
        return this;
    }
}
