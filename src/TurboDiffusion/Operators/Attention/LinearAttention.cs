using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// Linear attention over all tokens with the feature map φ = softmax over the channels:
/// φ(q)·(φ(k)ᵀv) / (ε + φ(q)·Σφ(k)), in float32.
/// </summary>
/// <remarks>arXiv 2509.24006, section 3; TurboDiffusion aaecff5, <c>SLA/core.py</c>.</remarks>
public static class LinearAttention
{
    /// <summary>ε.</summary>
    internal const double Eps = 1e-5;

    /// <summary>The linear branch.</summary>
    /// <param name="q">Queries <c>[B, L, H, D]</c>.</param>
    /// <param name="k">Keys <c>[B, L, H, D]</c>.</param>
    /// <param name="v">Values <c>[B, L, H, D]</c>.</param>
    /// <returns><c>[B, L, H, D]</c>, float32.</returns>
    public static Tensor Attend(Tensor q, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        Tensor featuresQ = q.transpose(1, 2).softmax(-1, ScalarType.Float32);
        Tensor featuresK = k.transpose(1, 2).softmax(-1, ScalarType.Float32);
        Tensor state = featuresK.transpose(-1, -2).matmul(v.transpose(1, 2).to_type(ScalarType.Float32));
        Tensor normaliser = Eps + (featuresQ * featuresK.sum(dim: 2, keepdim: true)).sum(dim: -1, keepdim: true);
        return (featuresQ.matmul(state) / normaliser).transpose(1, 2).MoveToOuterDisposeScope();
    }
}
