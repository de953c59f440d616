namespace TurboDiffusion.Runtime.Cuda;

/// <summary>What kernels are launched on.</summary>
internal unsafe interface IKernelDevice
{
    /// <summary>Shared memory that a thread block may have at most, in bytes.</summary>
    int SharedBytes { get; }

    /// <summary>Multiprocessors.</summary>
    int Multiprocessors { get; }

    /// <summary>Queues a kernel after torch's work so far.</summary>
    /// <param name="program">The kernel, compiled at its first launch.</param>
    /// <param name="launch">The size.</param>
    /// <param name="arguments">The addresses of the arguments, in order.</param>
    /// <exception cref="KernelCompilationException">It does not compile.</exception>
    /// <exception cref="EnvironmentException">There is no compiler, or the device refuses the launch.</exception>
    void Launch(KernelProgram program, KernelLaunch launch, void** arguments);

    /// <summary>Describes a tensor for the copy engine.</summary>
    /// <param name="map">Where to; <see cref="TensorMap.Size"/> bytes at a multiple of <see cref="TensorMap.Alignment"/>.</param>
    /// <param name="layout">The tensor, and how it is copied.</param>
    /// <exception cref="EnvironmentException">The device refuses it.</exception>
    void Describe(byte* map, TensorLayout layout);
}
