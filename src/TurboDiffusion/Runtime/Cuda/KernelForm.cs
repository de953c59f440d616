namespace TurboDiffusion.Runtime.Cuda;

/// <summary>The forms in which an operator runs.</summary>
public enum KernelForm
{
    /// <summary>TorchSharp operations: on every device, with gradients; what the kernels are tested against.</summary>
    Plain,

    /// <summary>The CUDA kernel that every GPU from sm_80 runs.</summary>
    Portable,

    /// <summary>The CUDA kernel with the instructions that only Hopper (sm_90a) has.</summary>
    Sm90,
}
