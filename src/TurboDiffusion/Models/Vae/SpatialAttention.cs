using TorchSharp.Utils;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>x + single-head self-attention among the pixels of each frame.</summary>
internal sealed class SpatialAttention : VaeLayer
{
    [ComponentName(Name = "norm")]
    private readonly ChannelRmsNorm _norm;

    [ComponentName(Name = "to_qkv")]
    private readonly FrameConv2d _toQkv;

    [ComponentName(Name = "proj")]
    private readonly FrameConv2d _proj;

    /// <param name="channels">Channels of the input and output.</param>
    /// <param name="placement">Device and dtype of the weights.</param>
    public SpatialAttention(long channels, Placement placement)
    {
        _norm = new ChannelRmsNorm(channels, 2, placement);
        _toQkv = new FrameConv2d(channels, 3 * channels, 1, placement);
        _proj = new FrameConv2d(channels, channels, 1, placement);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, CausalCache? cache)
    {
        using var scope = NewDisposeScope();
        Tensor frames = FrameConv2d.Fold(input);
        // [N, C, H, W] → [N, H·W, C], a view where the channels are the last in memory; then three of them.
        Tensor pixels = _norm.forward(frames).flatten(2).transpose(1, 2);
        Tensor[] qkv = _toQkv.OfPixels(pixels).chunk(3, -1);
        Tensor output = _proj.OfPixels(WideAttention.Run(qkv[0], qkv[1], qkv[2])).transpose(1, 2).reshape(frames.shape);
        return (FrameConv2d.Unfold(output, input.size(0)) + input).MoveToOuterDisposeScope();
    }
}
