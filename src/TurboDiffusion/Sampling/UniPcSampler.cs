using static TorchSharp.torch;

namespace TurboDiffusion.Sampling;

/// <summary>
/// UniPC of order 2 with B₂(h) along the rectified flow of an undistilled model: a two-step predictor, and a corrector
/// that mends each state once the model has been called on it. The first and the last step are of order 1.
/// </summary>
/// <remarks>
/// Zhao et al., arXiv 2302.04867, section 3, in data prediction; signal 1 − t, noise t, λ = log((1 − t)/t). The schedule
/// starts at t = 1 and ends at 0, where λ is infinite: the formulas below take their limits there.
/// Peer: thu-ml/TurboDiffusion at aaecff5, <c>turbodiffusion/rcm/samplers/unipc.py</c>.
/// </remarks>
public sealed class UniPcSampler : ISampler
{
    private readonly double[] _levels;
    private readonly double[] _timesteps;

    /// <summary>Creates the schedule.</summary>
    /// <param name="steps">Model calls.</param>
    /// <param name="shift">How far the schedule leans to the noisy end.</param>
    /// <param name="sigmaMax">The first noise level before the shift, in (0, 1].</param>
    /// <exception cref="InvalidRequestException">A value is out of range.</exception>
    public UniPcSampler(int steps, double shift, double sigmaMax = 1)
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

    /// <inheritdoc/>
    public ISamplerRun Begin() => new Run(_levels);

    private sealed class Run(double[] levels) : ISamplerRun
    {
        // Of the last step taken: the corrected state, its clean estimate, and the clean estimate before that one.
        private Tensor? _state, _clean, _cleanBefore;

        public Tensor Step(int index, Tensor x, Tensor velocity, INoiseSource noise)
        {
            using var scope = NewDisposeScope();
            Tensor clean = x - levels[index] * velocity.to_type(ScalarType.Float64);
            Tensor state = _state is null ? x.alias() : Correct(index, clean);
            int order = Order(index);
            Remember(state, clean);
            return Predict(index, order).MoveToOuterDisposeScope();
        }

        public void Dispose()
        {
            _state?.Dispose();
            _clean?.Dispose();
            _cleanBefore?.Dispose();
        }

        private void Remember(Tensor state, Tensor clean)
        {
            _state?.Dispose();
            _cleanBefore?.Dispose();
            _cleanBefore = _clean;
            _clean = clean.DetachFromDisposeScope();
            _state = state.DetachFromDisposeScope();
        }

        private int Order(int index) => Math.Min(Math.Min(2, levels.Length - 1 - index), index + 1);

        private double Lambda(int index) => Math.Log(1 - levels[index]) - Math.Log(levels[index]);

        // From the state at `index` to the one after it.
        private Tensor Predict(int index, int order)
        {
            var step = new Interval(levels[index], levels[index + 1], Lambda(index + 1) - Lambda(index));
            Tensor linear = step.Linear(_state!, _clean!);
            if (order == 1) return linear;
            double ratio = (Lambda(index - 1) - Lambda(index)) / step.H;
            return linear - step.Gain * 0.5 / ratio * (_cleanBefore! - _clean!);
        }

        // The state at `index` again, from the one before it, now that its clean estimate is known.
        private Tensor Correct(int index, Tensor clean)
        {
            var step = new Interval(levels[index - 1], levels[index], Lambda(index) - Lambda(index - 1));
            Tensor linear = step.Linear(_state!, _clean!), change = clean - _clean!;
            if (Order(index - 1) == 1) return linear - step.Gain * 0.5 * change;
            double ratio = (Lambda(index - 2) - Lambda(index - 1)) / step.H;
            // The order conditions: a + c = b₁, ratio·a + c = b₂.
            double a = (step.B1 - step.B2) / (1 - ratio), c = step.B1 - a;
            return linear - step.Gain * (a / ratio * (_cleanBefore! - _clean!) + c * change);
        }
    }

    // One step from noise level s to t, h apart in λ, and the paper's functions of h.
    private readonly record struct Interval(double S, double T, double H)
    {
        private double Phi1 => double.ExpM1(-H);

        private double Phi2 => Phi1 / -H - 1;

        private double Phi3 => Phi2 / -H - 0.5;

        public double B1 => Phi2 / Phi1;

        public double B2 => 2 * Phi3 / Phi1;

        public double Gain => (1 - T) * Phi1;

        public Tensor Linear(Tensor state, Tensor clean) => T / S * state - Gain * clean;
    }
}
