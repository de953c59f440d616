using static TorchSharp.torch;

namespace TurboDiffusion.Sampling;

/// <summary>Euler steps along the rectified flow of an undistilled model: x ← x − (t − t_next)·v.</summary>
/// <remarks>thu-ml/TurboDiffusion at aaecff5, <c>turbodiffusion/rcm/samplers/euler.py</c>.</remarks>
public sealed class EulerSampler : ISampler, ISamplerRun
{
    private readonly double[] _levels;
    private readonly double[] _timesteps;

    /// <summary>Creates the schedule.</summary>
    /// <param name="steps">Model calls.</param>
    /// <param name="shift">How far the schedule leans to the noisy end.</param>
    /// <param name="sigmaMax">The first noise level before the shift, in (0, 1].</param>
    /// <exception cref="InvalidRequestException">A value is out of range.</exception>
    public EulerSampler(int steps, double shift, double sigmaMax = 1)
    {
        _levels = FlowSchedule.Levels(steps, shift, sigmaMax);
        _timesteps = [.. _levels[..^1].Select(t => 1000 * t)];
    }

    /// <inheritdoc/>
    public IReadOnlyList<double> Timesteps => _timesteps;

    /// <inheritdoc/>
    public IReadOnlyList<double> NoiseLevels => _levels;

    /// <inheritdoc/>
    public Tensor Start(Tensor noise) => noise.to(ScalarType.Float64, copy: true);

    /// <summary>Returns this sampler: it remembers nothing.</summary>
    public ISamplerRun Begin() => this;

    /// <inheritdoc/>
    public Tensor Step(int index, Tensor x, Tensor velocity, INoiseSource noise)
    {
        using var scope = NewDisposeScope();
        return (x - (_levels[index] - _levels[index + 1]) * velocity.to_type(ScalarType.Float64)).MoveToOuterDisposeScope();
    }

    /// <summary>Does nothing: a sampler without memory is its own run.</summary>
    public void Dispose()
    {
    }
}
