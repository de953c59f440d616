using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.TinyVae;

/// <summary>ReLU(convolutions of (frame, the frame before it) + frame); before the first frame there are zeros.</summary>
internal sealed class TinyMemoryBlock : TinyLayer
{
    [ComponentName(Name = "conv")]
    private readonly TinyStack _convolutions;

    public TinyMemoryBlock(long channels, Placement placement)
    {
        _convolutions = new TinyStack(
            new TinyConv(2 * channels, channels, placement), TinyFunction.Relu(), new TinyConv(channels, channels, placement),
                TinyFunction.Relu(),
            new TinyConv(channels, channels, placement));
        RegisterComponents();
    }

    /// <summary>Its three convolutions, of which the first reads a frame and, after it, the one before.</summary>
    public IEnumerable<TinyConv> Convolutions => _convolutions.Layers.OfType<TinyConv>();

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, FrameMemory? memory)
    {
        using var scope = NewDisposeScope();
        long frames = input.size(1);
        Tensor before = cat([memory?.Before(this) ?? zeros_like(input.narrow(1, 0, 1)), input.narrow(1, 0, frames - 1)], dim: 1);
        memory?.Keep(this, input.narrow(1, frames - 1, 1));
        return (_convolutions.Run(cat([input, before], dim: 2), memory) + input).relu().MoveToOuterDisposeScope();
    }
}
