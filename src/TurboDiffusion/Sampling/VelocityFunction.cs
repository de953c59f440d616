using static TorchSharp.torch;

namespace TurboDiffusion.Sampling;

/// <summary>A velocity model as the denoising loop calls it.</summary>
/// <param name="x">The state, float64, <c>[B, C, T, H, W]</c>; the callee does not keep or change it.</param>
/// <param name="timestep">The noise level times 1000, as models take it.</param>
/// <param name="step">The index of the call, from 0.</param>
/// <param name="cancellationToken">Checked by the model, once per block at least.</param>
/// <returns>The velocity noise − x₀, same shape, any float type; the loop frees it.</returns>
public delegate Tensor VelocityFunction(Tensor x, double timestep, int step, CancellationToken cancellationToken);
