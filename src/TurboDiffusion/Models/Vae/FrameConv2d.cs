using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Operators.Convolution;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>A 2D convolution of each frame by itself, frames in the batch, in the ways that the VAE has one.</summary>
internal sealed class FrameConv2d : nn.Module
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter _bias;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="kernelSize">Rows and columns that the kernel spans.</param>
    /// <param name="placement">Device and dtype of the weights.</param>
    public FrameConv2d(long inChannels, long outChannels, long kernelSize, Placement placement)
        : base(nameof(FrameConv2d))
    {
        _weight = placement.Empty(outChannels, inChannels, kernelSize, kernelSize);
        _bias = placement.Empty(outChannels);
        RegisterComponents();
    }

    /// <summary>
    /// The convolution of frames enlarged to twice their height and width, their pixels repeated; of 3×3. With a cache, without gradients.
    /// </summary>
    /// <param name="frames"><c>[N, C, H, W]</c></param>
    /// <param name="cache">The clip's past, or null.</param>
    /// <returns><c>[N, O, 2·H, 2·W]</c></returns>
    public Tensor OfEnlarged(Tensor frames, CausalCache? cache) => cache is null
        ? UpsampleConvolution.RunPlain(frames, _weight, _bias)
        : UpsampleConvolution.Run(frames, cache.Prepared(this, () => UpsampleConvolution.Prepare(frames, _weight, _bias)));

    /// <summary>
    /// The convolution that halves height and width, of frames with a row and a column of zeros after their last; of 3×3. With a cache,
    /// without gradients.
    /// </summary>
    /// <param name="frames"><c>[N, C, H, W]</c></param>
    /// <param name="cache">The clip's past, or null.</param>
    /// <returns><c>[N, O, H/2, W/2]</c></returns>
    public Tensor OfHalved(Tensor frames, CausalCache? cache) => cache is null
        ? DownsampleConvolution.RunPlain(frames, _weight, _bias)
        : DownsampleConvolution.Run(frames, cache.Prepared(this, () => DownsampleConvolution.Prepare(frames, _weight, _bias)));

    /// <summary>The convolution of 1×1, of pixels: a matrix product.</summary>
    /// <param name="pixels"><c>[N, L, C]</c></param>
    /// <returns><c>[N, L, O]</c></returns>
    public Tensor OfPixels(Tensor pixels)
    {
        using var scope = NewDisposeScope();
        return nn.functional.linear(pixels, _weight.flatten(1), _bias).MoveToOuterDisposeScope();
    }

    /// <summary><c>[B, C, T, H, W] → [B·T, C, H, W]</c>.</summary>
    public static Tensor Fold(Tensor video)
    {
        long[] s = video.shape;
        return video.transpose(1, 2).reshape(s[0] * s[2], s[1], s[3], s[4]);
    }

    /// <summary><c>[B·T, C, H, W] → [B, C, T, H, W]</c>.</summary>
    public static Tensor Unfold(Tensor frames, long batch)
    {
        long[] s = frames.shape;
        return frames.reshape(batch, s[0] / batch, s[1], s[2], s[3]).transpose(1, 2);
    }
}
