using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>x + conv(silu(norm(conv(silu(norm(x)))))), with a 1×1×1 convolution on x where the channels change.</summary>
internal sealed class ResidualBlock : VaeLayer
{
    [ComponentName(Name = "residual.0")]
    private readonly ChannelRmsNorm _norm1;

    [ComponentName(Name = "residual.2")]
    private readonly CausalConv3d _conv1;

    [ComponentName(Name = "residual.3")]
    private readonly ChannelRmsNorm _norm2;

    [ComponentName(Name = "residual.6")]
    private readonly CausalConv3d _conv2;

    [ComponentName(Name = "shortcut")]
    private readonly CausalConv3d? _shortcut;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="placement">Device and dtype of the weights.</param>
    public ResidualBlock(long inChannels, long outChannels, Placement placement)
    {
        _norm1 = new ChannelRmsNorm(inChannels, 3, placement);
        _conv1 = new CausalConv3d(inChannels, outChannels, 3, 3, placement);
        _norm2 = new ChannelRmsNorm(outChannels, 3, placement);
        _conv2 = new CausalConv3d(outChannels, outChannels, 3, 3, placement);
        if (inChannels != outChannels) _shortcut = new CausalConv3d(inChannels, outChannels, 1, 1, placement);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, CausalCache? cache)
    {
        using var scope = NewDisposeScope();
        using Tensor hidden = _conv1.AfterNorm(_norm1, input, cache);
        Tensor x = _conv2.AfterNorm(_norm2, hidden, cache);
        hidden.Dispose();
        Tensor skip = _shortcut is null ? input : _shortcut.forward(input, cache);
        return (x + skip).MoveToOuterDisposeScope();
    }
}
