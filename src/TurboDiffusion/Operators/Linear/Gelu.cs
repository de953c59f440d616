using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>The tanh form of GELU: 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).</summary>
public static class Gelu
{
    /// <summary>Applies it.</summary>
    /// <param name="x">Any shape; computed in float32.</param>
    /// <returns>x's shape and dtype.</returns>
    public static Tensor Tanh(Tensor x) => TorchScript.GeluTanh(x);
}
