using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>Which operators of a variant run as CUDA kernels.</summary>
internal enum KernelUse
{
    /// <summary>None: every operator in its plain TorchSharp form.</summary>
    None,

    /// <summary>Those without which int8 products and sparse attention are no gain: attention, matrix products, quantization.</summary>
    Products,

    /// <summary>All: norms, rotations and what else is fused too.</summary>
    All,
}

/// <summary>The operators of a <see cref="KernelUse"/>.</summary>
internal static class KernelUseExtensions
{
    public static IReadOnlyList<KernelOperator> Operators(this KernelUse use) => use switch
    {
        KernelUse.None => [],
        KernelUse.Products =>
            [KernelOperator.Attention, KernelOperator.CrossAttention, KernelOperator.Int8Matmul, KernelOperator.BlockInt8Quantize],
        KernelUse.All => Enum.GetValues<KernelOperator>(),
        _ => throw new ArgumentOutOfRangeException(nameof(use), use, "Unknown use of kernels."),
    };
}
