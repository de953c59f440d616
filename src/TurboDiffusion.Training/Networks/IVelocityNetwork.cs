using static TorchSharp.torch;

namespace TurboDiffusion.Training.Networks;

/// <summary>A network that predicts the rectified-flow velocity noise − x₀ from a noisy sample; what every loss trains.</summary>
public interface IVelocityNetwork
{
    /// <summary>One forward pass, with gradients where they are enabled.</summary>
    /// <param name="x">The noisy sample, float32, <c>[B, C, T, H, W]</c>.</param>
    /// <param name="timestep">The noise level times 1000, float32, <c>[B]</c>.</param>
    /// <param name="condition">What the sample shows.</param>
    /// <returns>The velocity, float32, <c>[B, C, T, H, W]</c>.</returns>
    Tensor Predict(Tensor x, Tensor timestep, Condition condition);
}
