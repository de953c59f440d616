using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>One way to run the transformer.</summary>
/// <param name="Attention">The self-attention.</param>
/// <param name="Weights">The number format of the blocks' linear layers.</param>
/// <param name="Kernels">Which operators run as CUDA kernels.</param>
/// <param name="Swapped">Whether the blocks' weights stay in host memory.</param>
internal sealed record BenchmarkVariant(AttentionKind Attention, WeightFormat Weights, KernelUse Kernels, bool Swapped = false)
{
    /// <summary>
    /// What is measured by default: the original, the steps of the decomposition, and every kind of attention and weights with
    /// the kernels. Plain int8 and plain SageSLA define what their kernels compute and are not meant to be fast.
    /// </summary>
    public static IReadOnlyList<BenchmarkVariant> Default { get; } =
    [
        new(AttentionKind.Dense, WeightFormat.Float, KernelUse.None),
        new(AttentionKind.Dense, WeightFormat.Float, KernelUse.All),
        new(AttentionKind.SageSla, WeightFormat.Float, KernelUse.Products),
        new(AttentionKind.SageSla, WeightFormat.Float, KernelUse.All),
        new(AttentionKind.SageSla, WeightFormat.Int8, KernelUse.Products),
        new(AttentionKind.SageSla, WeightFormat.Int8, KernelUse.All),
        new(AttentionKind.Dense, WeightFormat.Int8, KernelUse.All),
        new(AttentionKind.Sage, WeightFormat.Float, KernelUse.All),
        new(AttentionKind.Sage, WeightFormat.Int8, KernelUse.All),
        new(AttentionKind.Sla, WeightFormat.Float, KernelUse.All),
        new(AttentionKind.Sla, WeightFormat.Int8, KernelUse.All),
    ];

    /// <summary>On the CPU, where there are no kernels: every kind of attention and weights.</summary>
    public static IReadOnlyList<BenchmarkVariant> Plain { get; } =
    [
        .. from weights in Enum.GetValues<WeightFormat>()
           from attention in Enum.GetValues<AttentionKind>()
           select new BenchmarkVariant(attention, weights, KernelUse.None),
    ];

    /// <summary>Its name in the table.</summary>
    public string Label => $"{Attention switch
    {
        AttentionKind.Dense => "dense",
        AttentionKind.Sla => "SLA",
        AttentionKind.SageSla => "SageSLA",
        AttentionKind.Sage => "SageAttention",
        _ => Attention.ToString(),
    }}, {Weights.ToString().ToLowerInvariant()} weights, {Kernels switch
    {
        KernelUse.None => "plain",
        KernelUse.Products => "kernels for products",
        _ => "kernels",
    }}{(Swapped ? ", blocks swapped" : "")}";
}
