using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Operators;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Runtime.Cuda;

/// <summary>What the driver says of the memory of GPUs in use.</summary>
public class GpuMemoryTests
{
    private const long Size = 1L << 30;

    [Fact]
    public void Without_a_driver_there_is_none()
    {
        Assert.SkipWhen(CudaDriver.IsPresent, "There is an NVIDIA driver.");
        Assert.Empty(GpuMemory.InUse());
    }

    [Fact]
    [Trait("Category", "Gpu")]
    public void A_tensor_shows()
    {
        Device device = KernelConformance.RequireGpu();
        using var scope = NewDisposeScope();
        // What the allocator keeps of earlier tensors shows already: taken until the driver has to give more.
        zeros(1, device: device);
        GpuMemory before = GpuMemory.InUse()[0], after = before;
        while (after.Used - before.Used < Size / 2)
        {
            zeros(Size, ScalarType.Int8, device);
            (before, after) = (after, GpuMemory.InUse()[0]);
        }
        Assert.Equal((before.Device, before.Name, before.Bytes), (after.Device, after.Name, after.Bytes));
        Assert.InRange(after.Used - before.Used, Size / 2, 2 * Size);
        Assert.InRange(after.Used, Size, after.Bytes);
    }
}
