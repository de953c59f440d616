using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>
/// The trigonometric flow x = cos τ·x₀ + sin τ·ε, τ in [0, π/2], and rectified-flow networks seen through it. A sample of
/// it, divided by cos τ + sin τ, is a sample of the rectified flow at noise level t = sin τ/(cos τ + sin τ).
/// </summary>
/// <remarks>arXiv 2410.11081, section 3; arXiv 2510.08431, appendix on wrapping rectified-flow teachers.</remarks>
public static class TrigFlow
{
    /// <summary>The time of a rectified-flow noise level.</summary>
    /// <param name="level">t in [0, 1], any shape.</param>
    public static Tensor FromLevel(Tensor level)
    {
        using var scope = NewDisposeScope();
        return atan2(level, 1 - level).MoveToOuterDisposeScope();
    }

    /// <summary>Mixes a clean sample with noise.</summary>
    /// <param name="clean">x₀, <c>[B, C, T, H, W]</c>.</param>
    /// <param name="noise">ε, same shape.</param>
    /// <param name="time">τ, float64, <c>[B]</c>.</param>
    /// <returns>Float64, same shape.</returns>
    public static Tensor Mix(Tensor clean, Tensor noise, Tensor time)
    {
        using var scope = NewDisposeScope();
        Tensor t = Broadcast(time);
        return (t.cos() * clean + t.sin() * noise).MoveToOuterDisposeScope();
    }

    /// <summary>Runs a network on samples of the trigonometric flow.</summary>
    /// <param name="network">A rectified-flow network.</param>
    /// <param name="x">The sample, <c>[B, C, T, H, W]</c>.</param>
    /// <param name="time">τ, float64, <c>[B]</c>.</param>
    /// <param name="condition">What the samples show.</param>
    /// <returns>The clean estimate and the flow's velocity, both float64.</returns>
    public static TrigPrediction Predict(IVelocityNetwork network, Tensor x, Tensor time, Condition condition)
    {
        using var scope = NewDisposeScope();
        Tensor cos = Broadcast(time).cos(), sin = Broadcast(time).sin(), scale = cos + sin;
        Tensor timestep = 1000 * (time.sin() / (time.cos() + time.sin()));
        Tensor v = network.Predict((x / scale).to_type(ScalarType.Float32), timestep.to_type(ScalarType.Float32), condition);
        Tensor clean = (x - sin * v) / scale;
        // (cos τ·x − x₀) / sin τ with x₀ put in: nothing is divided by sin τ, which may be 0.
        Tensor velocity = ((cos - sin) * x + v) / scale;
        return new TrigPrediction(clean.MoveToOuterDisposeScope(), velocity.MoveToOuterDisposeScope());
    }

    /// <summary>As <see cref="Predict(IVelocityNetwork, Tensor, Tensor, Condition)"/>, with classifier-free guidance.</summary>
    public static TrigPrediction Predict(IVelocityNetwork network, Tensor x, Tensor time, Guidance guidance)
    {
        if (guidance.Scale == 1) return Predict(network, x, time, guidance.Positive);
        using var scope = NewDisposeScope();
        TrigPrediction positive = Predict(network, x, time, guidance.Positive), negative = Predict(network, x, time, guidance.Negative);
        return new TrigPrediction(
            Guide(positive.Clean, negative.Clean).MoveToOuterDisposeScope(),
            Guide(positive.Velocity, negative.Velocity).MoveToOuterDisposeScope());

        Tensor Guide(Tensor towards, Tensor from) => from + guidance.Scale * (towards - from);
    }

    /// <summary>A value per sample, <c>[B] → [B, 1, 1, 1, 1]</c>.</summary>
    internal static Tensor Broadcast(Tensor perSample) => perSample.view(-1, 1, 1, 1, 1);

    /// <summary>The sum over everything but the batch, <c>[B, C, T, H, W] → [B]</c>.</summary>
    internal static Tensor SumPerSample(Tensor x) => x.sum(dim: [1, 2, 3, 4]);
}
