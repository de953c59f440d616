using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Losses;

/// <summary>Samples of the student as few-step sampling makes them, from pure noise, at times drawn anew.</summary>
public sealed class StudentSimulation(IVelocityNetwork student, ITimeDistribution times, RcmOptions options)
{
    /// <summary>Draws the first noise, then all times, then the noise of each step.</summary>
    /// <param name="shape"><c>[B, C, T, H, W]</c>.</param>
    /// <param name="condition">What the samples show.</param>
    /// <param name="steps">Student calls, from 1.</param>
    /// <param name="gradient">Whether the last call carries a gradient.</param>
    /// <param name="random">The source of every draw.</param>
    /// <returns>Clean samples, float32, of that shape, on the condition's device.</returns>
    public Tensor Run(long[] shape, Condition condition, int steps, bool gradient, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        Device device = condition.Text.device;
        Tensor x = random.Normal(shape).to(device);
        var time = new List<Tensor> { full([shape[0]], Math.PI / 2, ScalarType.Float64, device) };
        for (int i = 0; i < steps - 1; i++)
            time.Add(options.FixedSimulationTimes
                ? full([shape[0]], options.SimulationTimes[i], ScalarType.Float64, device)
                : TrigFlow.FromLevel(times.Sample(random, shape[0])).to(device).minimum(time[^1]));
        for (int i = 0; i < steps; i++)
        {
            bool last = i == steps - 1;
            using (set_grad_enabled(gradient && last))
                x = TrigFlow.Predict(student, x, time[i], condition).Clean.to_type(ScalarType.Float32);
            if (!last) x = TrigFlow.Mix(x, random.Normal(shape).to(device), time[i + 1]).to_type(ScalarType.Float32);
        }
        return x.MoveToOuterDisposeScope();
    }
}
