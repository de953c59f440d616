using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>
/// Where the speed comes from, ingredient by ingredient, as in the TurboDiffusion paper's chart: the denoising of one video
/// with the ingredients so far. Steps are multiplied, not run.
/// </summary>
internal static class Decomposition
{
    private static readonly BenchmarkVariant Original = new(AttentionKind.Dense, WeightFormat.Float, KernelUse.None);

    /// <summary>Model calls of the original: each step with and without the prompt (classifier-free guidance).</summary>
    /// <param name="sampling">What the model is sampled with.</param>
    public static int OriginalCalls(SamplingDefaults sampling) => 2 * sampling.FlowSteps;

    private static (string Ingredient, int Calls, BenchmarkVariant Variant)[] Ingredients(SamplingDefaults sampling) =>
    [
        ($"original: dense attention, {sampling.FlowSteps} steps with guidance", OriginalCalls(sampling), Original),
        ($"+ rCM: {sampling.RcmSteps} steps, no guidance", sampling.RcmSteps, Original),
        ("+ SageSLA", sampling.RcmSteps, new(AttentionKind.SageSla, WeightFormat.Float, KernelUse.Products)),
        ("+ int8 weights and activations", sampling.RcmSteps, new(AttentionKind.SageSla, WeightFormat.Int8, KernelUse.Products)),
        ("+ fused norms and rotations", sampling.RcmSteps, new(AttentionKind.SageSla, WeightFormat.Int8, KernelUse.All)),
    ];

    /// <summary>The ingredients whose variants were measured.</summary>
    /// <param name="rows">What was measured.</param>
    /// <param name="sampling">What the model is sampled with.</param>
    /// <returns>In order; empty where the original was not measured.</returns>
    public static IReadOnlyList<DecompositionEntry> Of(IEnumerable<BenchmarkRow> rows, SamplingDefaults sampling)
    {
        var step = new Dictionary<BenchmarkVariant, double>();
        foreach (BenchmarkRow row in rows)
            if (row is { Variant: { } variant, StepMilliseconds: { } ms }) step[variant] = ms;
        var entries = new List<DecompositionEntry>();
        if (!step.ContainsKey(Original)) return entries;
        foreach ((string ingredient, int calls, BenchmarkVariant variant) in Ingredients(sampling))
        {
            if (!step.TryGetValue(variant, out double ms)) continue;
            double seconds = calls * ms / 1000;
            entries.Add(new DecompositionEntry(ingredient, calls, ms, seconds,
                entries.Count == 0 ? 1 : entries[^1].Seconds / seconds, entries.Count == 0 ? 1 : entries[0].Seconds / seconds));
        }
        return entries;
    }
}
