using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>The last layers of the encoder and the decoder: conv(silu(norm(x))).</summary>
internal sealed class VaeHead : VaeLayer
{
    [ComponentName(Name = "0")]
    private readonly ChannelRmsNorm _norm;

    [ComponentName(Name = "2")]
    private readonly CausalConv3d _conv;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="placement">Device and dtype of the weights.</param>
    public VaeHead(long inChannels, long outChannels, Placement placement)
    {
        _norm = new ChannelRmsNorm(inChannels, 3, placement);
        _conv = new CausalConv3d(inChannels, outChannels, 3, 3, placement);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override int Reach => 1;

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, CausalCache? cache) => _conv.AfterNorm(_norm, input, cache);
}
