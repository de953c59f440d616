using TorchSharp.Utils;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Operators.Convolution;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace TurboDiffusion.Models.TinyVae;

/// <summary>A 2D convolution of each frame by itself that keeps the size, or halves it with a stride of two.</summary>
internal sealed class TinyConv : TinyLayer
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter? _bias;

    private readonly long _stride;
    private readonly long _padding;

    public TinyConv(long inChannels, long outChannels, Placement placement, bool bias = true, long kernel = 3, long stride = 1)
    {
        (_stride, _padding) = (stride, kernel / 2);
        _weight = placement.Empty(outChannels, inChannels, kernel, kernel);
        if (bias) _bias = placement.Empty(outChannels);
        RegisterComponents();
    }

    /// <summary><c>[O, C, rows, columns]</c></summary>
    public Tensor Weight => _weight;

    /// <summary><c>[O]</c>, or null.</summary>
    public Tensor? Bias => _bias;

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, FrameMemory? memory) =>
        OfFrames(input, x => TorchConvolution.Run(x, _weight, _bias, [_stride, _stride], [_padding, _padding]));
}
