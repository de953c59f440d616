using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>A convolution's weights as <see cref="Operators.Convolution.CausalConvolution"/> reads them.</summary>
/// <param name="Packed">Packed by the operator.</param>
/// <param name="Bias">Float32 <c>[O]</c>.</param>
internal sealed record ConvolutionWeights(Tensor Packed, Tensor Bias) : IDisposable
{
    /// <summary>Of packed weights, in no dispose scope.</summary>
    /// <param name="packed">Packed by the operator; it becomes the result's.</param>
    /// <param name="bias"><c>[O]</c>, copied.</param>
    public static ConvolutionWeights Of(Tensor packed, Tensor bias) => new(packed.DetachFromDisposeScope(),
        bias.detach().to(ScalarType.Float32, copy: true).DetachFromDisposeScope());

    public void Dispose()
    {
        Packed.Dispose();
        Bias.Dispose();
    }
}
