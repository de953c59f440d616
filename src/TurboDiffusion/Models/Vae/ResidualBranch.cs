using TorchSharp.Utils;
using TurboDiffusion.Operators.Convolution;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
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
    /// skip + forward(input). Where <see cref="BiasResidual"/> is a kernel, biases are added by whoever reads a convolution's result:
    /// there, a bias is a pass of its own.
    /// </summary>
    /// <param name="input"><c>[B, C, T, H, W]</c></param>
    /// <param name="skip"><c>[B, O, T, H, W]</c></param>
    /// <param name="cache">The clip's past, or null.</param>
    public Tensor Add(Tensor input, Tensor skip, CausalCache? cache)
    {
        using var scope = NewDisposeScope();
        if (_conv1.FormOfFrames(input, cache) == KernelForm.Sm90 && _conv2.FormOfFrames(skip, cache) == KernelForm.Sm90)
            return AddInFrames(input, skip, cache!, KernelForm.Sm90, _conv1.NormalisesFrames(input)).MoveToOuterDisposeScope();
        if (!_conv1.TakesWindows(input, cache) || !BiasResidual.Choose(skip, skip.shape[1]).IsKernel)
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
    /// <param name="form">Of the convolutions.</param>
    /// <param name="normalises">Whether the first of them ends in the second's norm.</param>
    internal Tensor AddInFrames(Tensor input, Tensor skip, CausalCache cache, KernelForm form, bool normalises)
    {
        using var scope = NewDisposeScope();
        const int most = Sm90CausalConvolutionKernel.MostFrames;
        if (input.shape[2] > most)
            return cat([.. input.split(most, 2).Zip(skip.split(most, 2)).Select(part =>
                AddInFrames(part.First, part.Second, cache, form, normalises))], 2).MoveToOuterDisposeScope();
        Tensor[] hidden = Hidden(CausalConv3d.ChannelsLast(input), cache, form, normalises);
        Tensor sum = _conv2.OfFrames(hidden, CausalConv3d.ChannelsLast(skip), cache, form);
        return sum.permute(3, 0, 1, 2).unsqueeze(0).MoveToOuterDisposeScope();
    }

    private Tensor[] Hidden(Tensor x, CausalCache cache, KernelForm form, bool normalises)
    {
        using var scope = NewDisposeScope();
        Tensor[] frames = RmsSilu.Run(x, Factors(_norm1), form);
        Tensor[] hidden = normalises
            ? _conv1.OfFramesNormalised(frames, Factors(_norm2), cache, form)
            : RmsSilu.Run(_conv1.OfFrames(frames, null, cache, form), Factors(_norm2), form);
        return [.. hidden.Select(frame => frame.MoveToOuterDisposeScope())];

        Tensor Factors(ChannelRmsNorm norm) => cache.Prepared(norm, () => norm.Factors.detach().DetachFromDisposeScope());
    }
}
