namespace TurboDiffusion.Runtime.Cuda;

/// <summary>The names of the operators that have CUDA kernels beside their plain TorchSharp form; each chooses by itself.</summary>
public enum KernelOperator
{
    /// <summary>A matrix to int8 in 128×128 blocks, optionally after layer normalisation and modulation.</summary>
    BlockInt8Quantize,

    /// <summary>RMS normalisation and rotary embedding of q and k.</summary>
    RmsNormRotary,

    /// <summary>W8A8 matrix product with its epilogue.</summary>
    Int8Matmul,

    /// <summary>
    /// Sparse self-attention, from the projections of q, k and v to its output: in int8 and fp8, or on Hopper in bfloat16.
    /// </summary>
    Attention,

    /// <summary>Attention to the text, whose equal last keys are taken as one.</summary>
    CrossAttention,

    /// <summary>What a causal convolution of the VAE reads: RMS normalisation, SiLU, each frame beside the two before it.</summary>
    CausalRmsSilu,

    /// <summary>How a residual block of the VAE ends: x + bias + residual.</summary>
    BiasResidual,

    /// <summary>A convolution of enlarged frames, without enlarging them.</summary>
    UpsampleConvolution,

    /// <summary>A causal convolution of the VAE, straight from the frames; also what <see cref="UpsampleConvolution"/> runs on.</summary>
    CausalConvolution,

    /// <summary>How the VAE's decoder ends: RMS normalisation, SiLU, and a causal convolution to the channels of a pixel.</summary>
    CausalHead,
}
