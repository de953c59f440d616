using static TorchSharp.torch;

namespace TurboDiffusion.Sampling;

/// <summary>
/// A way from noise to data along a rectified flow, x_t = (1 − t)·x₀ + t·noise, by calls of a velocity model. Immutable
/// and thread-safe; what one generation remembers lives in its <see cref="ISamplerRun"/>.
/// </summary>
public interface ISampler
{
    /// <summary>What each model call is told: the noise level t times 1000, decreasing, one per call.</summary>
    IReadOnlyList<double> Timesteps { get; }

    /// <summary>The noise level t in [0, 1] before each call, and 0 after the last: one more than there are calls.</summary>
    IReadOnlyList<double> NoiseLevels { get; }

    /// <summary>How many times its steps draw fresh noise, so that it can be drawn ahead.</summary>
    int FreshNoises => 0;

    /// <summary>The state that the first call sees.</summary>
    /// <param name="noise">Standard normal noise, any shape.</param>
    /// <returns>A new float64 tensor of that shape.</returns>
    Tensor Start(Tensor noise);

    /// <summary>Begins one generation.</summary>
    ISamplerRun Begin();
}
