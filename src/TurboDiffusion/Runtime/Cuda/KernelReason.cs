namespace TurboDiffusion.Runtime.Cuda;

/// <summary>Why an operator runs as a CUDA kernel, or why not.</summary>
public enum KernelReason
{
    /// <summary>It runs as a kernel.</summary>
    Chosen,

    /// <summary>The kernels are switched off; see <see cref="KernelSwitch"/>.</summary>
    SwitchedOff,

    /// <summary>There is no NVIDIA GPU, or no driver for it.</summary>
    NoGpu,

    /// <summary>The GPU is older than what the kernel needs.</summary>
    OldGpu,

    /// <summary>libnvrtc, which compiles the kernels, is not there.</summary>
    NoCompiler,

    /// <summary>libnvrtc is older than the GPU.</summary>
    OldCompiler,

    /// <summary>The driver is older than libnvrtc's programs.</summary>
    OldDriver,
}
