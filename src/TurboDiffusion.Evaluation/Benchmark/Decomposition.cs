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
    /// <summary>Model calls of the original: 50 steps, each with and without the prompt (classifier-free guidance).</summary>
    public const int OriginalCalls = 50 * 2;

    private static readonly BenchmarkVariant Original = new(AttentionKind.Dense, WeightFormat.Float, KernelUse.None);

    private static readonly (string Ingredient, int Calls, BenchmarkVariant Variant)[] Ingredients =
    [
        ("original: dense attention, 50 steps with guidance", OriginalCalls, Original),
        ($"+ rCM: {SamplerOptions.DefaultRcmSteps} steps, no guidance", SamplerOptions.DefaultRcmSteps, Original),
        ("+ SageSLA", SamplerOptions.DefaultRcmSteps, new(AttentionKind.SageSla, WeightFormat.Float, KernelUse.Products)),
        ("+ int8 weights and activations", SamplerOptions.DefaultRcmSteps, new(AttentionKind.SageSla, WeightFormat.Int8, KernelUse.Products)),
        ("+ fused norms and rotations", SamplerOptions.DefaultRcmSteps, new(AttentionKind.SageSla, WeightFormat.Int8, KernelUse.All)),
    ];

    /// <summary>The ingredients whose variants were measured.</summary>
    /// <param name="rows">What was measured.</param>
    /// <returns>In order; empty where the original was not measured.</returns>
    public static IReadOnlyList<DecompositionEntry> Of(IEnumerable<BenchmarkRow> rows)
    {
        var step = new Dictionary<BenchmarkVariant, double>();
        foreach (BenchmarkRow row in rows)
            if (row is { Variant: { } variant, StepMilliseconds: { } ms }) step[variant] = ms;
        var entries = new List<DecompositionEntry>();
        if (!step.ContainsKey(Original)) return entries;
        foreach ((string ingredient, int calls, BenchmarkVariant variant) in Ingredients)
        {
            if (!step.TryGetValue(variant, out double ms)) continue;
            double seconds = calls * ms / 1000;
            entries.Add(new DecompositionEntry(ingredient, calls, ms, seconds,
                entries.Count == 0 ? 1 : entries[^1].Seconds / seconds, entries.Count == 0 ? 1 : entries[0].Seconds / seconds));
        }
        return entries;
    }
}
