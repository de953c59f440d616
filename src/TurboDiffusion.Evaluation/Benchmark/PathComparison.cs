using TorchSharp;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>
/// Accelerated paths beside the plain path with float weights: a whole denoising (rCM), and block by block with the plain path's
/// input to each. Paths are compared within one kind of attention: kinds choose other blocks, and random weights make much of it.
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
        using BenchmarkModel reference = Load(plain);
        using Latents expected = Denoise(target, reference, plain, seed, progress, cancellationToken);
        var differences = new List<PathDifference>();
        foreach (BenchmarkVariant variant in others)
        {
            // Both in memory, as blocks alternate between them.
            using BenchmarkModel? quantized = variant.Weights == WeightFormat.Float ? null : Load(variant);
            BenchmarkModel model = quantized ?? reference;
            using Latents latents = Denoise(target, model, variant, seed, progress, cancellationToken);
            progress.Report($"blocks of {variant.Label}");
            differences.Add(new PathDifference(variant.Label, plain.Label,
                [.. latents.AfterStep.Zip(expected.AfterStep).Select(p => Deviation.Of(p.First, p.Second))],
                Blocks(target, reference, plain, model, variant, cancellationToken)));
        }
        return differences;

        BenchmarkModel Load(BenchmarkVariant variant)
        {
            DeviceMemory.Release(target.Device);
            // One expert after the other would need both; the path is the same.
            return new BenchmarkModel(target, attention, variant.Weights, experts: 1, seed, cancellationToken);
        }
    }

    private static Latents Denoise(
        BenchmarkTarget target, BenchmarkModel model, BenchmarkVariant variant, ulong seed, IProgress<string> progress,
        CancellationToken cancellationToken)
    {
        progress.Report($"denoising with {variant.Label}");
        using var kernels = KernelSwitch.Use(variant.Kernels.Operators());
        using var scope = NewDisposeScope();
        using Denoiser denoiser = model.Denoiser();
        var noise = new PhiloxNoise(seed);
        var latents = new Latents();
        Tensor end = DenoisingLoop.Run(target.Spec.Sampling.Of(SamplerKind.Rcm).Create(),
            noise.Normal(target.LatentShape).to(target.Device),
            (x, timestep, step, cancelled) =>
            {
                if (step > 0) latents.Add(x);
                return denoiser.Velocity(x, timestep, step, cancelled);
            }, noise, null, cancellationToken);
        latents.Add(end);
        return latents;
    }

    // Teacher forcing: each block of the model gets what the reference's block got, so that its error is its own.
    private static Deviation[] Blocks(
        BenchmarkTarget target, BenchmarkModel reference, BenchmarkVariant plain, BenchmarkModel model, BenchmarkVariant variant,
        CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        using var plainly = KernelSwitch.Use(plain.Kernels.Operators());
        Tensor time = full([1], target.Spec.Sampling.Of(SamplerKind.Rcm).Create().Timesteps[0], ScalarType.Float32, target.Device);
        CrossContext context = reference.PrepareContext(cancellationToken), other;
        using (KernelSwitch.Use(variant.Kernels.Operators())) other = model.PrepareContext(cancellationToken);

        var deviations = new List<Deviation>();
        Tensor? input = null;
        reference.First.Forward(reference.Latents, time, context, reference.Images.Condition, cancellationToken, (name, value) =>
        {
            if (name != "patch_embedding" && name != $"blocks.{deviations.Count}") return;
            Tensor hidden = value();
            if (input is not null)
            {
                using var block = NewDisposeScope();
                using (KernelSwitch.Use(variant.Kernels.Operators()))
                    deviations.Add(Deviation.Of(model.First.ForwardBlock(deviations.Count, input, time, other, target.LatentShape),
                        hidden));
                input.Dispose();
            }
            // The model frees its own.
            input = hidden.clone().DetachFromDisposeScope();
        }).Dispose();
        input?.Dispose();
        return [.. deviations];
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
