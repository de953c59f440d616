using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Convolution;

/// <summary>A layer's weights as an operator reads them, made once for a clip.</summary>
/// <param name="Packed">In the operator's layout.</param>
/// <param name="Bias"><c>[O]</c>.</param>
internal sealed record ConvolutionWeights(Tensor Packed, Tensor Bias) : IDisposable
{
    /// <summary>Of packed weights, in no dispose scope and without gradients.</summary>
    /// <param name="packed">They become the result's.</param>
    /// <param name="bias"><c>[O]</c>, copied.</param>
    /// <param name="dtype">What the operator takes the bias in.</param>
    public static ConvolutionWeights Of(Tensor packed, Tensor bias, ScalarType dtype) => new(packed.DetachFromDisposeScope(),
        bias.detach().to(dtype, copy: true).DetachFromDisposeScope());

    public void Dispose()
    {
        Packed.Dispose();
        Bias.Dispose();
    }
}
