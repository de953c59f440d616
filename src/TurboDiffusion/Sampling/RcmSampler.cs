using static TorchSharp.torch;

namespace TurboDiffusion.Sampling;

/// <summary>
/// One to four steps of a model distilled by rCM. Each step jumps to the clean estimate and, unless it is the last,
/// adds fresh noise (SDE) or goes on along the flow (ODE). No guidance: it was distilled into the model.
/// </summary>
/// <remarks>arXiv 2510.08431; thu-ml/TurboDiffusion at aaecff5, <c>turbodiffusion/inference/wan2.1_t2v_infer.py</c>.</remarks>
public sealed class RcmSampler : ISampler, ISamplerRun
{
    /// <summary>The most steps that can be asked for.</summary>
    public const int MaxSteps = 4;

    // Trigonometric times after the first; the same for every model and step count.
    private static readonly double[] MiddleTimes = [1.5, 1.4, 1.0];

    private readonly double[] _levels;
    private readonly double[] _timesteps;
    private readonly bool _ode;

    /// <summary>Creates the schedule.</summary>
    /// <param name="steps">Model calls, 1 to 4.</param>
    /// <param name="sigmaMax">Noise over signal at the first call; above tan 1.5 ≈ 14.1.</param>
    /// <param name="ode">Whether to follow the deterministic flow instead of adding fresh noise.</param>
    /// <exception cref="InvalidRequestException">A value is out of range.</exception>
    public RcmSampler(int steps, double sigmaMax, bool ode = false)
    {
        if (steps is < 1 or > MaxSteps)
            throw new InvalidRequestException("steps",
                $"The rCM sampler takes 1 to {MaxSteps} steps; {steps} were asked for. For more, use an undistilled model with unipc or "
                    + "euler.");
        if (!double.IsFinite(sigmaMax) || Math.Atan(sigmaMax) <= MiddleTimes[0])
            throw new InvalidRequestException("sigmaMax",
                $"sigma_max is {sigmaMax}; it must be a number above {Math.Tan(MiddleTimes[0]):0.0}. Leave it out for what the model was "
                    + "distilled with.");
        _levels = [.. MiddleTimes.Take(steps - 1).Prepend(Math.Atan(sigmaMax)).Select(t => Math.Sin(t) / (Math.Cos(t) + Math.Sin(t))), 0];
        _timesteps = [.. _levels[..^1].Select(t => 1000 * t)];
        _ode = ode;
    }

    /// <inheritdoc/>
    public IReadOnlyList<double> Timesteps => _timesteps;

    /// <inheritdoc/>
    public IReadOnlyList<double> NoiseLevels => _levels;

    /// <inheritdoc/>
    public int FreshNoises => _ode ? 0 : _timesteps.Length - 1;

    /// <inheritdoc/>
    public Tensor Start(Tensor noise) => noise.to(ScalarType.Float64, copy: true).mul_(_levels[0]);

    /// <summary>Returns this sampler: it remembers nothing.</summary>
    public ISamplerRun Begin() => this;

    /// <inheritdoc/>
    public Tensor Step(int index, Tensor x, Tensor velocity, INoiseSource noise)
    {
        using var scope = NewDisposeScope();
        double t = _levels[index], next = _levels[index + 1];
        Tensor v = velocity.to_type(ScalarType.Float64);
        if (_ode) return (x - (t - next) * v).MoveToOuterDisposeScope();
        Tensor clean = x - t * v;
        if (next == 0) return clean.MoveToOuterDisposeScope();
        Tensor fresh = noise.Normal(x.shape).to(x.device).to_type(ScalarType.Float64);
        return ((1 - next) * clean + next * fresh).MoveToOuterDisposeScope();
    }

    /// <summary>Does nothing: a sampler without memory is its own run.</summary>
    public void Dispose()
    {
    }
}
