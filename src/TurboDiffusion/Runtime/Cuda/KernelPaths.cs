using System.Collections.Concurrent;
using TorchSharp;
using static TorchSharp.torch;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>Which form every operator takes.</summary>
public static class KernelPaths
{
    private static readonly ConcurrentDictionary<int, IReadOnlyList<KernelPath>> OfDevice = new(), PossibleOnDevice = new();

    /// <summary>The form of each operator on a GPU. The machine is looked at once.</summary>
    /// <param name="device">The GPU's number.</param>
    /// <exception cref="InvalidRequestException"><see cref="KernelSwitch"/> has a value that it does not know.</exception>
    public static IReadOnlyList<KernelPath> Of(int device = 0) => OfDevice.GetOrAdd(device, index => Paths(KernelMachine.Probe(index)));

    /// <summary>As <see cref="Of"/> with the kernels switched on, whatever the environment says.</summary>
    /// <param name="device">The GPU's number.</param>
    internal static IReadOnlyList<KernelPath> Possible(int device = 0) =>
        PossibleOnDevice.GetOrAdd(device, index => Paths(KernelMachine.Probe(index) with { SwitchedOn = true }));

    /// <summary>Whether an operator runs as a kernel on tensors: on a GPU that can, and where no gradient is asked for.</summary>
    internal static bool Takes(KernelOperator kernel, Tensor input)
    {
        if (input.device_type != DeviceType.CUDA || is_grad_enabled()) return false;
        int device = Math.Max(input.device_index, 0);
        return KernelSwitch.Choice(kernel) is { } chosen ? chosen && Possible(device)[(int)kernel].IsKernel : Of(device)[(int)kernel].IsKernel;
    }

    private static IReadOnlyList<KernelPath> Paths(KernelMachine machine) => [.. Enum.GetValues<KernelOperator>().Select(machine.Choose)];
}
