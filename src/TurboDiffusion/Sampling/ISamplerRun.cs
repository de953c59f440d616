using static TorchSharp.torch;

namespace TurboDiffusion.Sampling;

/// <summary>One generation with a sampler, and what it remembers of earlier steps.</summary>
public interface ISamplerRun : IDisposable
{
    /// <summary>Advances the state by one step. Steps are taken in order, from 0.</summary>
    /// <param name="index">The step.</param>
    /// <param name="x">The state at <c>NoiseLevels[index]</c>, float64.</param>
    /// <param name="velocity">The model's output for that state, noise − x₀, same shape, any float type.</param>
    /// <param name="noise">Where fresh noise comes from, for samplers that add some.</param>
    /// <returns>A new float64 tensor: the state at <c>NoiseLevels[index + 1]</c>.</returns>
    Tensor Step(int index, Tensor x, Tensor velocity, INoiseSource noise);
}
