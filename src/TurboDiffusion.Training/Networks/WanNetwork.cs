using TurboDiffusion.Models.Wan;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Networks;

/// <summary>A Wan transformer as the losses see it.</summary>
/// <param name="Model">The model.</param>
public sealed record WanNetwork(WanModel Model) : IVelocityNetwork
{
    /// <inheritdoc/>
    public Tensor Predict(Tensor x, Tensor timestep, Condition condition)
    {
        using var scope = NewDisposeScope();
        using CrossContext context = Model.PrepareContext(condition.Text, condition.ImageTokens);
        return Model.Forward(x, timestep, context, condition.Image).MoveToOuterDisposeScope();
    }
}
