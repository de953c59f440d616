using static TorchSharp.torch;

namespace TurboDiffusion.Models.Layers;

/// <summary>The tanh form of GELU: 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).</summary>
/// <remarks>TorchSharp's own <c>gelu</c> offers only the erf form.</remarks>
public static class Gelu
{
    /// <summary>Applies it.</summary>
    /// <param name="x">Any shape; computed in float32.</param>
    /// <returns>x's shape and dtype.</returns>
    public static Tensor Tanh(Tensor x)
    {
        using var scope = NewDisposeScope();
        Tensor wide = x.to_type(ScalarType.Float32);
        Tensor inner = (wide.pow(3) * 0.044715 + wide) * Math.Sqrt(2 / Math.PI);
        return ((inner.tanh() + 1) * wide * 0.5).to_type(x.dtype).MoveToOuterDisposeScope();
    }
}
