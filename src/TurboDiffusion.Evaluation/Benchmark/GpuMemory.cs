using System.Runtime.InteropServices;
using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>
/// The memory of a GPU that is taken: what libtorch's allocator holds (it gives nothing back by itself, so that this is also
/// the most it has held), the CUDA context, and other processes.
/// </summary>
internal static class GpuMemory
{
    /// <summary>Bytes taken; null on the CPU.</summary>
    public static long? Used(torch.Device device)
    {
        if (device.type != DeviceType.CUDA) return null;
        (long free, long total) = DeviceMemory.OfGpu(Math.Max(device.index, 0));
        return total - free;
    }

    /// <summary>
    /// Gives back what the allocator holds for tensors that are gone. TorchSharp has no call for it: the allocator does it
    /// before it refuses a tensor that is larger than the GPU.
    /// </summary>
    public static void Release(torch.Device device)
    {
        if (device.type != DeviceType.CUDA) return;
        GC.Collect();
        GC.WaitForPendingFinalizers();
        try
        {
            torch.empty([DeviceMemory.OfGpu(Math.Max(device.index, 0)).Total], torch.ScalarType.Int8, device).Dispose();
        }
        catch (ExternalException e) when (IsOutOfMemory(e))
        {
        }
    }

    /// <summary>Whether an error says that a GPU's memory does not suffice.</summary>
    public static bool IsOutOfMemory(Exception error) => error is ExternalException && error.Message.Contains("out of memory", StringComparison.OrdinalIgnoreCase);
}
