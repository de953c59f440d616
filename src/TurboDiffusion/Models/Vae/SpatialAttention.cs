using TorchSharp.Utils;
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
        long[] s = frames.shape;
        // [N, 3C, H, W] → three of [N, 1, H·W, C].
        Tensor[] qkv = _toQkv.forward(_norm.forward(frames)).reshape(s[0], 1, 3 * s[1], s[2] * s[3])
            .transpose(2, 3).contiguous().chunk(3, -1);
        Tensor mixed = nn.functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]);
        Tensor output = _proj.forward(mixed.transpose(2, 3).reshape(s));
        return (FrameConv2d.Unfold(output, input.shape[0]) + input).MoveToOuterDisposeScope();
    }
}
