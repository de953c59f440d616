using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>
/// What <see cref="CausalConv3d"/> and the norm before it need on windows of three frames:
/// <see cref="Operators.Normalization.CausalRmsSilu"/>.
/// </summary>
/// <param name="Weight"><c>[O, 3·C, 3, 3]</c> with the strides of channels last.</param>
/// <param name="Gamma">Float32 <c>[C]</c>, √C in it.</param>
/// <param name="Bias">Float32 <c>[O]</c>.</param>
internal sealed record WindowWeights(Tensor Weight, Tensor Gamma, Tensor Bias) : IDisposable
{
    public void Dispose()
    {
        Weight.Dispose();
        Gamma.Dispose();
        Bias.Dispose();
    }
}
