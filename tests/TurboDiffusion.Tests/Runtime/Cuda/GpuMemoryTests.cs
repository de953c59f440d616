using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Operators;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Runtime.Cuda;

/// <summary>What the driver says of the memory of GPUs in use.</summary>
public class GpuMemoryTests
{
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
        using Tensor first = zeros(1, device: device);
        GpuMemory before = GpuMemory.InUse()[0];
        using Tensor large = zeros(1L << 30, ScalarType.Int8, device);
        GpuMemory after = GpuMemory.InUse()[0];
        Assert.Equal((before.Device, before.Name, before.Bytes), (after.Device, after.Name, after.Bytes));
        Assert.InRange(after.Used - before.Used, 1L << 29, 1L << 31);
        Assert.InRange(after.Used, 1L << 30, after.Bytes);
    }
}
