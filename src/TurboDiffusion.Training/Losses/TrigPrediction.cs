using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>What a network says of a sample of the trigonometric flow.</summary>
/// <param name="Clean">The clean estimate x₀, float64, <c>[B, C, T, H, W]</c>.</param>
/// <param name="Velocity">F = dx/dτ, float64, same shape.</param>
public readonly record struct TrigPrediction(Tensor Clean, Tensor Velocity);
