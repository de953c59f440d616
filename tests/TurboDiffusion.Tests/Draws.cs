using TorchSharp;

namespace TurboDiffusion.Tests;

/// <summary>Values of a test, of a generator of its own: the same every time.</summary>
internal static class Draws
{
    /// <summary>Normal values, float32, on the CPU.</summary>
    public static torch.Tensor Normal(this torch.Generator random, params long[] shape) => torch.randn(shape, generator: random);

    /// <summary>Values in [0, 1), likewise.</summary>
    public static torch.Tensor Uniform(this torch.Generator random, params long[] shape) => torch.rand(shape, generator: random);
}
