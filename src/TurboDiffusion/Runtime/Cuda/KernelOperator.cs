using TurboDiffusion.Operators.Linear;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>The operators that have a CUDA kernel beside their plain TorchSharp form.</summary>
public enum KernelOperator
{
    /// <summary>A matrix to int8 in 128×128 blocks, optionally after layer normalisation and modulation.</summary>
    BlockInt8Quantize,

    /// <summary>RMS normalisation and rotary embedding of q and k.</summary>
    RmsNormRotary,

    /// <summary>W8A8 matrix product with its epilogue.</summary>
    Int8Matmul,

    /// <summary>Sparse attention in int8: quantization and pooling, then attention over the kept key blocks.</summary>
    SageSparseAttention,
}
