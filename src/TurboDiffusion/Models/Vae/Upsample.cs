using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>
/// Doubles height and width; where temporal, doubles the number of frames after the first:
/// 1 + n → 1 + 2n. The clip's first frame passes through alone, and the temporal convolution of the others sees zeros
/// in its place.
/// </summary>
internal sealed class Upsample : VaeLayer
{
    [ComponentName(Name = "resample")]
    private readonly ModuleDict<FrameConv2d> _resample;

    [ComponentName(Name = "time_conv")]
    private readonly CausalConv3d? _timeConv;

    /// <param name="channels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output: half as many in Wan 2.1, as many in Wan 2.2.</param>
    /// <param name="temporal">Whether time is doubled too.</param>
    /// <param name="placement">Device and dtype of the weights.</param>
    public Upsample(long channels, long outChannels, bool temporal, Placement placement)
    {
        _resample = nn.ModuleDict(("1", new FrameConv2d(channels, outChannels, 3, placement)));
        if (temporal) _timeConv = new CausalConv3d(channels, 2 * channels, 3, 1, placement);
        RegisterComponents();
    }

    /// <summary>Whether the number of frames changes.</summary>
    public bool IsTemporal => _timeConv is not null;

    /// <summary>Whether the next chunk is a clip's first.</summary>
    public bool Begins(CausalCache? cache) => _timeConv is not null && cache?.HasBegun(_timeConv) != true;

    /// <inheritdoc/>
    public override int Reach => 1;

    /// <inheritdoc/>
    public override int Scale => 2;

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, CausalCache? cache)
    {
        using var scope = NewDisposeScope();
        Tensor x = input;
        if (_timeConv is not null)
        {
            bool first = Begins(cache);
            Tensor later = first ? x.narrow(2, 1, x.size(2) - 1) : x;
            Tensor doubled = Interleave(_timeConv.forward(later, cache));
            x = first ? cat([x.narrow(2, 0, 1), doubled], dim: 2) : doubled;
        }
        return FrameConv2d.Unfold(_resample["1"].OfEnlarged(FrameConv2d.Fold(x), cache), input.size(0)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// <c>[B, 2·C, T, H, W] → [B, C, 2·T, H, W]</c> with the strides of channels last: the halves of the channels are alternate frames.
    /// </summary>
    private static Tensor Interleave(Tensor x)
    {
        long[] s = x.shape;
        return x.reshape(s[0], 2, s[1] / 2, s[2], s[3], s[4]).permute(0, 3, 1, 4, 5, 2).contiguous()
            .view(s[0], 2 * s[2], s[3], s[4], s[1] / 2).permute(0, 4, 1, 2, 3);
    }
}
