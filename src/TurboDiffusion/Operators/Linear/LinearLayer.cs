using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// A linear map of the last axis, <c>[..., in] → [..., out]</c>, in whichever number format its weights are:
/// <see cref="FloatLinear"/> (float) or int8 (W8A8).
/// </summary>
public abstract class LinearLayer : nn.Module<Tensor, Tensor>
{
    /// <summary>Creates the layer.</summary>
    /// <param name="inFeatures">Size of the last axis of the input.</param>
    /// <param name="outFeatures">Size of the last axis of the output.</param>
    protected LinearLayer(long inFeatures, long outFeatures)
        : base(nameof(LinearLayer))
    {
        InFeatures = inFeatures;
        OutFeatures = outFeatures;
    }

    /// <summary>Size of the last axis of the input.</summary>
    public long InFeatures { get; }

    /// <summary>Size of the last axis of the output.</summary>
    public long OutFeatures { get; }
}
