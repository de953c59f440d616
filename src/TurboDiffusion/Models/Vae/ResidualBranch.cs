using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>conv(silu(norm(conv(silu(norm(x)))))).</summary>
internal sealed class ResidualBranch : VaeLayer
{
    [ComponentName(Name = "0")]
    private readonly ChannelRmsNorm _norm1;

    [ComponentName(Name = "2")]
    private readonly CausalConv3d _conv1;

    [ComponentName(Name = "3")]
    private readonly ChannelRmsNorm _norm2;

    [ComponentName(Name = "6")]
    private readonly CausalConv3d _conv2;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="placement">Device and dtype of the weights.</param>
    public ResidualBranch(long inChannels, long outChannels, Placement placement)
    {
        _norm1 = new ChannelRmsNorm(inChannels, 3, placement);
        _conv1 = new CausalConv3d(inChannels, outChannels, 3, 3, placement);
        _norm2 = new ChannelRmsNorm(outChannels, 3, placement);
        _conv2 = new CausalConv3d(outChannels, outChannels, 3, 3, placement);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, CausalCache? cache)
    {
        using Tensor hidden = _conv1.AfterNorm(_norm1, input, cache);
        return _conv2.AfterNorm(_norm2, hidden, cache);
    }
}
