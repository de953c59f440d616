using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>
/// A layer of the VAE, <c>[B, C, T, H, W] → [B, C', T', H', W']</c>. With a cache, the input is the next chunk of a
/// clip; without one it is the whole clip. Both give the same frames.
/// </summary>
internal abstract class VaeLayer() : nn.Module<Tensor, CausalCache?, Tensor>(nameof(VaeLayer))
{
    /// <summary>Pixels of the input, on either side, that a pixel of the output depends on.</summary>
    public virtual int Reach => 0;

    /// <summary>Rows, and columns, that one becomes.</summary>
    public virtual int Scale => 1;

    /// <summary>As <c>forward</c>, for a layer that is made of layers: it checks the token before each of them.</summary>
    /// <param name="input"><c>[B, C, T, H, W]</c></param>
    /// <param name="cache">The clip's past, or null.</param>
    /// <param name="cancellationToken">Checked before every layer within.</param>
    public virtual Tensor Run(Tensor input, CausalCache? cache, CancellationToken cancellationToken) => forward(input, cache);
}
