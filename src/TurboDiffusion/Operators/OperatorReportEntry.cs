using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Operators;

/// <summary>Which form an operator takes for a problem.</summary>
/// <param name="Operator">The operator.</param>
/// <param name="Problem">The problem in words, such as <c>q, k, v: [32760, 1536] · [1536, 1536]</c>.</param>
/// <param name="Choice">The form, and why.</param>
public sealed record OperatorReportEntry(KernelOperator Operator, string Problem, KernelChoice Choice)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Operator} ({Problem}): {Choice}";
}
