using TorchSharp;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;

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
}
