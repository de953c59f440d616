using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>x + <see cref="ResidualBranch"/>(x), with a 1×1×1 convolution on x where the channels change.</summary>
internal sealed class ResidualBlock : VaeLayer
{
    [ComponentName(Name = "residual")]
    private readonly ResidualBranch _residual;

    [ComponentName(Name = "shortcut")]
    private readonly CausalConv3d? _shortcut;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="placement">Device and dtype of the weights.</param>
    public ResidualBlock(long inChannels, long outChannels, Placement placement)
    {
        _residual = new ResidualBranch(inChannels, outChannels, placement);
        if (inChannels != outChannels) _shortcut = new CausalConv3d(inChannels, outChannels, 1, 1, placement);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override int Reach => 2;

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, CausalCache? cache)
    {
        using var scope = NewDisposeScope();
        Tensor skip = _shortcut is null ? input : _shortcut.forward(input, cache);
        return _residual.Add(input, skip, cache).MoveToOuterDisposeScope();
    }
}
