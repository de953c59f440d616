using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>
/// Halves height and width, and, where temporal, the number of frames after the first: 1 + 2n → 1 + n. The clip's first
/// frame passes through alone; every later output frame is a convolution of three frames, the first of which it shares
/// with the one before.
/// </summary>
internal sealed class Downsample : VaeLayer
{
    [ComponentName(Name = "resample")]
    private readonly ModuleDict<FrameConv2d> _resample;

    [ComponentName(Name = "time_conv")]
    private readonly CausalConv3d? _timeConv;

    /// <param name="channels">Channels of the input and output.</param>
    /// <param name="temporal">Whether time is halved too.</param>
    /// <param name="placement">Device and dtype of the weights.</param>
    public Downsample(long channels, bool temporal, Placement placement)
    {
        _resample = nn.ModuleDict(("1", new FrameConv2d(channels, channels, 3, placement)));
        if (temporal) _timeConv = new CausalConv3d(channels, channels, 3, 1, placement, strideFrames: 2, valid: true);
        RegisterComponents();
    }

    /// <summary>Whether the number of frames changes.</summary>
    public bool IsTemporal => _timeConv is not null;

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, CausalCache? cache)
    {
        using var scope = NewDisposeScope();
        Tensor x = FrameConv2d.Unfold(_resample["1"].OfHalved(FrameConv2d.Fold(input), cache), input.size(0));
        if (_timeConv is not null)
        {
            bool first = cache?.HasBegun(_timeConv) != true;
            Tensor later = _timeConv.forward(x, cache);
            x = first ? cat([x.narrow(2, 0, 1), later], dim: 2) : later;
        }
        return x.MoveToOuterDisposeScope();
    }
}
