namespace TurboDiffusion.Runtime.Cuda;

/// <summary>Which form of an operator runs on a device, and why.</summary>
/// <param name="Operator">The operator.</param>
/// <param name="Reason">Why.</param>
/// <param name="Explanation">The reason with what was found and, for a plain path, the remedy; one line.</param>
public sealed record KernelPath(KernelOperator Operator, KernelReason Reason, string Explanation)
{
    /// <summary>Whether the kernel runs, rather than the plain TorchSharp form.</summary>
    public bool IsKernel => Reason == KernelReason.Chosen;
}
