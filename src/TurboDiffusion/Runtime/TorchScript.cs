using System.Collections.Concurrent;
using System.Globalization;
using static TorchSharp.torch;

namespace TurboDiffusion.Runtime;

/// <summary>Operators of libtorch that TorchSharp has no method for, reached through TorchScript. They have gradients.</summary>
/// <remarks>
/// Tensors are their only arguments. TorchSharp makes an object of a number and hands its address on; the garbage collector may free it
/// before native code reads it. So a number is part of the source.
/// </remarks>
internal static class TorchScript
{
    private static readonly Lazy<jit.CompilationUnit> Gelu = new(() => jit.compile("""
        def gelu_tanh(x):
            return torch.gelu(x, approximate='tanh')

        """));

    private static readonly ConcurrentDictionary<double, Lazy<jit.CompilationUnit>> RmsNorms = new();

    /// <summary>The tanh form of GELU, computed in float32 and rounded once.</summary>
    public static Tensor GeluTanh(Tensor x) => (Tensor)Gelu.Value.invoke("gelu_tanh", x);

    /// <summary>x / √(mean x² + ε) · weight over the last axis, computed in float32 and rounded once.</summary>
    public static Tensor RmsNorm(Tensor x, Tensor weight, double eps) =>
        (Tensor)RmsNorms.GetOrAdd(eps, Compile).Value.invoke("rms_norm", x, weight);

    private static Lazy<jit.CompilationUnit> Compile(double eps) => new(() => jit.compile(string.Create(CultureInfo.InvariantCulture, $"""
        def rms_norm(x, weight):
            return torch.rms_norm(x, [x.size(-1)], weight, {eps:E16})

        """)));
}
