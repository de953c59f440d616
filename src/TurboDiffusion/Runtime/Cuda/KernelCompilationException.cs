namespace TurboDiffusion.Runtime.Cuda;

/// <summary>A CUDA kernel of this library does not compile for the GPU at hand.</summary>
public sealed class KernelCompilationException : TurboDiffusionException
{
    /// <summary>Creates the error.</summary>
    /// <param name="kernel">The kernel's name.</param>
    /// <param name="architecture">What it was compiled for, such as <c>sm_90a</c>.</param>
    /// <param name="log">What the compiler said.</param>
    public KernelCompilationException(string kernel, string architecture, string log)
        : base($"The CUDA kernel {kernel} does not compile for {architecture}; set {KernelSwitch.Variable}=off to run without kernels. "
            + $"The compiler says: {log.Trim()}")
    {
        Kernel = kernel;
        Architecture = architecture;
        Log = log;
    }

    /// <summary>The kernel's name.</summary>
    public string Kernel { get; }

    /// <summary>What it was compiled for.</summary>
    public string Architecture { get; }

    /// <summary>What the compiler said, whole.</summary>
    public string Log { get; }
}
