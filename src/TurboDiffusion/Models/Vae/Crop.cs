using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>A part of the rows (axis 3) or columns (4).</summary>
internal sealed class Crop(long axis, long begin, long length) : VaeLayer
{
    /// <inheritdoc/>
    public override Tensor forward(Tensor input, CausalCache? cache) => input.narrow(axis, begin, length);
}
