using System.Diagnostics;
using static TorchSharp.torch;

namespace TurboDiffusion.Sampling;

/// <summary>The denoising loop: every generation of every pipeline, sampler and model runs through it.</summary>
public static class DenoisingLoop
{
    /// <summary>Turns noise into a clean sample.</summary>
    /// <param name="sampler">The schedule and the update rule.</param>
    /// <param name="noise">Standard normal noise, <c>[B, C, T, H, W]</c>, on the device of the state; left as it is.</param>
    /// <param name="velocity">The model, guidance included.</param>
    /// <param name="noiseSource">Where samplers that add noise get it; the source that drew <paramref name="noise"/>.</param>
    /// <param name="progress">Told before the first step and after every step.</param>
    /// <param name="cancellationToken">Checked before every step, and by the model within it.</param>
    /// <param name="watch">Told of what each step predicts; changes nothing of the result.</param>
    /// <returns>The clean sample, float64, shape of <paramref name="noise"/>; the caller (or its dispose scope) owns it.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static Tensor Run(
        ISampler sampler,
        Tensor noise,
        VelocityFunction velocity,
        INoiseSource noiseSource,
        IProgress<DenoisingProgress>? progress = null,
        CancellationToken cancellationToken = default,
        EstimateObserver? watch = null)
    {
        using var noGradients = no_grad();
        using var run = sampler.Begin();
        var clock = Stopwatch.StartNew();
        int steps = sampler.Timesteps.Count;
        Tensor x = sampler.Start(noise);
        try
        {
            for (int step = 0; step < steps; step++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                progress?.Report(new DenoisingProgress(step, steps, clock.Elapsed));
                using var scope = NewDisposeScope();
                Tensor v = velocity(x, sampler.Timesteps[step], step, cancellationToken);
                Tensor next = run.Step(step, x, v, noiseSource).MoveToOuterDisposeScope();
                watch?.Invoke(step + 1, x - sampler.NoiseLevels[step] * v.to_type(ScalarType.Float64));
                x.Dispose();
                x = next;
            }
        }
        catch
        {
            x.Dispose();
            throw;
        }
        progress?.Report(new DenoisingProgress(steps, steps, clock.Elapsed));
        return x;
    }
}
