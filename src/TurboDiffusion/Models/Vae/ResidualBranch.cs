using TorchSharp.Utils;
using TurboDiffusion.Operators.Normalization;
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

    /// <summary>
    /// skip + forward(input). Where <see cref="BiasResidual"/> is one pass, biases are added by whoever reads a convolution's result:
    /// there, a bias is a pass of its own.
    /// </summary>
    /// <param name="input"><c>[B, C, T, H, W]</c></param>
    /// <param name="skip"><c>[B, O, T, H, W]</c></param>
    /// <param name="cache">The clip's past, or null.</param>
    public Tensor Add(Tensor input, Tensor skip, CausalCache? cache)
    {
        using var scope = NewDisposeScope();
        if (_conv1.TakesFrames(input, cache) && _conv2.TakesFrames(skip, cache))
            return AddInFrames(input, skip, cache!).MoveToOuterDisposeScope();
        if (!_conv1.TakesWindows(input, cache) || !BiasResidual.IsOnePass(skip, skip.size(1)))
            return (forward(input, cache) + skip).MoveToOuterDisposeScope();
        Tensor hidden = _conv1.AfterNormInWindows(_norm1, input, cache!, biased: false);
        Tensor output = _conv2.AfterNormInWindows(_norm2, hidden, cache!, _conv1.WideBias(cache!), biased: false);
        Tensor sum = BiasResidual.Run(CausalConv3d.ChannelsLast(output), _conv2.WideBias(cache!), CausalConv3d.ChannelsLast(skip));
        return sum.permute(3, 0, 1, 2).unsqueeze(0).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// <see cref="Add"/> frame by frame: normalised frames are what both convolutions read, and what is kept of the past.
    /// </summary>
    /// <param name="input"><c>[1, C, T, H, W]</c></param>
    /// <param name="skip"><c>[1, O, T, H, W]</c></param>
    /// <param name="cache">The clip's past.</param>
    internal Tensor AddInFrames(Tensor input, Tensor skip, CausalCache cache)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = _conv1.AfterNormInFrames(_norm1, CausalConv3d.ChannelsLast(input), cache);
        IReadOnlyList<Tensor> normalised = _conv2.Normalised(_norm2, hidden, cache);
        // Before the largest tensor is made.
        hidden.Dispose();
        Tensor sum = _conv2.OfFrames(normalised, CausalConv3d.ChannelsLast(skip), cache);
        return CausalConv3d.Video(sum).MoveToOuterDisposeScope();
    }
}
