using TorchSharp;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>Which device launches the kernels of a tensor: its GPU, or what stands for one.</summary>
internal static class KernelDevice
{
    private static readonly AsyncLocal<IKernelDevice?> OfCpu = new();

    /// <summary>Whether kernels take tensors of a device.</summary>
    /// <param name="device">Where a tensor is.</param>
    public static bool Takes(torch.Device device) =>
        device.type == DeviceType.CUDA || (device.type == DeviceType.CPU && OfCpu.Value is not null);

    /// <summary>The device that launches kernels of tensors.</summary>
    /// <param name="device">Where the tensors are.</param>
    public static IKernelDevice Of(torch.Device device) =>
        device.type == DeviceType.CPU && OfCpu.Value is { } substitute ? substitute : CudaContext.Of(device);

    /// <summary>
    /// Until the result is disposed, what stands for a GPU to tensors on the CPU in this flow of execution: for testing kernels where
    /// there is none. The choice of an operator's form does not change.
    /// </summary>
    /// <param name="device">It has the CPU's memory.</param>
    public static IDisposable Substitute(IKernelDevice device)
    {
        var former = new Former(OfCpu.Value);
        OfCpu.Value = device;
        return former;
    }

    private sealed class Former(IKernelDevice? device) : IDisposable
    {
        public void Dispose() => OfCpu.Value = device;
    }
}
