using static TorchSharp.torch;

namespace TurboDiffusion.Runtime;

/// <summary>Operators of libtorch that TorchSharp has no method for, reached through TorchScript. They have gradients.</summary>
internal static class TorchScript
{
    private const string Source = """
        def gelu_tanh(x):
            return torch.gelu(x, approximate='tanh')

        def rms_norm(x, weight, eps: float):
            return torch.rms_norm(x, [x.size(-1)], weight, eps)

        """;

    private static readonly Lazy<jit.CompilationUnit> Unit = new(() => jit.compile(Source));

    /// <summary>The tanh form of GELU, computed in float32 and rounded once.</summary>
    public static Tensor GeluTanh(Tensor x) => (Tensor)Unit.Value.invoke("gelu_tanh", x);

    /// <summary>x / √(mean x² + ε) · weight over the last axis, computed in float32 and rounded once.</summary>
    public static Tensor RmsNorm(Tensor x, Tensor weight, double eps) => (Tensor)Unit.Value.invoke("rms_norm", x, weight, eps);
}
