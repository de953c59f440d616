using static TorchSharp.torch;

namespace TurboDiffusion.Sampling;

/// <summary>Told, after each step, of the clean sample that the model then predicted: x₀ = x_t − t·v.</summary>
/// <param name="step">Steps finished, from 1.</param>
/// <param name="estimate">x₀, float64, shape of the noise; freed after the call.</param>
public delegate void EstimateObserver(int step, Tensor estimate);
