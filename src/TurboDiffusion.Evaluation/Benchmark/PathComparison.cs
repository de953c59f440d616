using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>
/// A whole denoising (rCM) on accelerated paths beside the plain path with float weights, from the same weights and the same
/// noise. Paths are compared within one kind of attention: kinds choose other blocks, and random weights make much of it.
/// </summary>
internal static class PathComparison
{
    /// <summary>Compares the variants of one attention with its plain path.</summary>
    /// <param name="target">The model and the video.</param>
    /// <param name="attention">The self-attention.</param>
    /// <param name="weights">The number formats to compare.</param>
    /// <param name="seed">The seed of weights and noise.</param>
    /// <param name="progress">Told what is run.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static IReadOnlyList<PathDifference> Run(
        BenchmarkTarget target, AttentionOptions attention, IReadOnlyList<WeightFormat> weights, ulong seed, IProgress<string> progress,
        CancellationToken cancellationToken)
    {
        var plain = new BenchmarkVariant(attention.Kind, WeightFormat.Float, KernelUse.None);
        // Without kernels, what is left to compare is the int8 format.
        KernelUse kernels = target.Variants.Any(v => v.Kernels != KernelUse.None) ? KernelUse.All : KernelUse.None;
        BenchmarkVariant[] others = [.. weights.Select(w => new BenchmarkVariant(attention.Kind, w, kernels)).Where(v => v != plain)];
        if (others.Length == 0) return [];
        using Latents reference = Denoise(target, attention, plain, seed, progress, cancellationToken);
        var differences = new List<PathDifference>();
        foreach (BenchmarkVariant variant in others)
        {
            using Latents latents = Denoise(target, attention, variant, seed, progress, cancellationToken);
            differences.Add(new PathDifference(variant.Label, plain.Label,
                [.. latents.AfterStep.Zip(reference.AfterStep).Select(p => RelativeL2(p.First, p.Second))]));
        }
        return differences;
    }

    /// <summary>‖x − reference‖ / ‖reference‖; NaN where a value is none.</summary>
    internal static double RelativeL2(Tensor x, Tensor reference)
    {
        using var scope = NewDisposeScope();
        return ((x - reference).norm() / reference.norm()).item<double>();
    }

    private static Latents Denoise(
        BenchmarkTarget target, AttentionOptions attention, BenchmarkVariant variant, ulong seed, IProgress<string> progress,
        CancellationToken cancellationToken)
    {
        progress.Report($"denoising with {variant.Label}");
        DeviceMemory.Release(target.Device);
        using var kernels = KernelSwitch.Use(variant.Kernels.Operators());
        using var scope = NewDisposeScope();
        // One expert after the other would need both; the path is the same.
        using var model = new BenchmarkModel(target, attention, variant.Weights, experts: 1, seed, cancellationToken);
        using Denoiser denoiser = model.Denoiser();
        var noise = new PhiloxNoise(seed);
        var latents = new Latents();
        Tensor end = DenoisingLoop.Run(target.Spec.Sampling.Of(SamplerKind.Rcm).Create(), noise.Normal(target.LatentShape).to(target.Device),
            (x, timestep, step, cancelled) =>
            {
                if (step > 0) latents.Add(x);
                return denoiser.Velocity(x, timestep, step, cancelled);
            }, noise, null, cancellationToken);
        latents.Add(end);
        return latents;
    }

    /// <summary>The latents after every step, float64 on the CPU.</summary>
    private sealed class Latents : IDisposable
    {
        private readonly List<Tensor> _afterStep = [];

        public IReadOnlyList<Tensor> AfterStep => _afterStep;

        public void Add(Tensor latents) => _afterStep.Add(latents.to(CPU, copy: true).DetachFromDisposeScope());

        public void Dispose() => _afterStep.ForEach(t => t.Dispose());
    }
}
