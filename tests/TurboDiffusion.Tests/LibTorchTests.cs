using TorchSharp;
using Xunit;

namespace TurboDiffusion.Tests;

public class LibTorchTests
{
    [Fact]
    public void The_native_library_loads_and_multiplies()
    {
        using var scope = torch.NewDisposeScope();
        Assert.Equal(18f, torch.ones(2, 3).matmul(torch.full(3, 3, 1f)).sum().item<float>());
    }
}
