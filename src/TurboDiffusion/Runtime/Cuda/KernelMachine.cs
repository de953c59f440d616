using System.Collections.Concurrent;
using TorchSharp;
using static TorchSharp.torch;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>What the kernels need of a machine.</summary>
/// <param name="Driver">The driver's CUDA version, 13000 for 13.0; null where there is no driver.</param>
/// <param name="Gpu">The GPU's compute capability, 90 for 9.0; null where there is no GPU.</param>
/// <param name="Compiler">libnvrtc's version, as the driver's; null where there is no libnvrtc.</param>
/// <param name="CompilerGpus">The compute capabilities that libnvrtc compiles for.</param>
internal sealed record KernelMachine(int? Driver, int? Gpu, int? Compiler, IReadOnlyList<int> CompilerGpus)
{
    private const int OldestGpu = 80;

    private static readonly ConcurrentDictionary<int, KernelChoice> BestOfDevice = new();

    private static readonly KernelChoice
        OnCpu = new(KernelForm.Plain, "the tensors are not on a GPU"),
        WithGradients = new(KernelForm.Plain, "gradients are recorded, and the kernels have none"),
        SwitchedOff = new(KernelForm.Plain, $"the kernels are switched off ({KernelSwitch.Variable})");

    /// <summary>The machine at hand.</summary>
    /// <param name="device">The GPU's number.</param>
    public static KernelMachine Probe(int device)
    {
        (int? driver, int? gpu) = CudaDriver.Ask(device);
        Nvrtc? nvrtc = Nvrtc.Instance;
        return new KernelMachine(driver, gpu, nvrtc?.Version, nvrtc?.ComputeCapabilities ?? []);
    }

    /// <summary>What is offered to an operator for tensors; its own <c>Choose</c> says whether it suits the problem.</summary>
    /// <param name="kernel">The operator.</param>
    /// <param name="input">A tensor that it is given.</param>
    /// <exception cref="InvalidRequestException"><see cref="KernelSwitch"/> has a value that it does not know.</exception>
    public static KernelChoice Offer(KernelOperator kernel, Tensor input) =>
        input.device_type != DeviceType.CUDA ? OnCpu
        : is_grad_enabled() ? WithGradients
        : Offer(kernel, Math.Max(input.device_index, 0));

    /// <summary>What is offered to an operator on a GPU. The machine is looked at once.</summary>
    /// <param name="kernel">The operator.</param>
    /// <param name="device">The GPU's number.</param>
    /// <exception cref="InvalidRequestException"><see cref="KernelSwitch"/> has a value that it does not know.</exception>
    public static KernelChoice Offer(KernelOperator kernel, int device) => KernelSwitch.Allows(kernel) ? Best(device) : SwitchedOff;

    /// <summary>The best form that a GPU and the software around it can run, whatever is switched on.</summary>
    /// <param name="device">The GPU's number.</param>
    public static KernelChoice Best(int device) => BestOfDevice.GetOrAdd(device, index => Probe(index).Choose());

    /// <summary>The best form that this machine can run.</summary>
    public KernelChoice Choose()
    {
        KernelChoice Plain(string reason) => new(KernelForm.Plain, reason);
        if (Driver is not { } driver || Gpu is not { } gpu) return Plain("no NVIDIA GPU and driver answer");
        if (gpu < OldestGpu) return Plain($"the GPU is sm_{gpu}, and the kernels need sm_{OldestGpu} (Ampere) or later");
        if (Compiler is not { } compiler)
            return Plain("there is no libnvrtc: put the folder of the one that came with libtorch on LD_LIBRARY_PATH");
        if (!CompilerGpus.Contains(gpu))
            return Plain($"libnvrtc {Version(compiler)} does not know sm_{gpu}: use a libtorch for a later CUDA");
        // Within a major version, the driver runs what any compiler of it made.
        if (driver / 1000 < compiler / 1000)
            return Plain($"the driver is for CUDA {Version(driver)}, libnvrtc for {Version(compiler)}: update the driver");
        string architecture = KernelArchitecture.Name(gpu);
        return new KernelChoice(architecture == KernelArchitecture.Sm90 ? KernelForm.Sm90 : KernelForm.Portable,
            $"compiled for {architecture} by libnvrtc {Version(compiler)}");
    }

    private static string Version(int number) => $"{number / 1000}.{number % 1000 / 10}";
}
