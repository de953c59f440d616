using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.TinyVae;

/// <summary>A 1×1 convolution that makes several frames of one, or one of several.</summary>
internal sealed class TinyTime : TinyLayer
{
    [ComponentName(Name = "conv")]
    private readonly TinyConv _convolution;

    private readonly long _grow;
    private readonly long _pool;

    private TinyTime(long channels, long grow, long pool, Placement placement)
    {
        (_grow, _pool) = (grow, pool);
        _convolution = new TinyConv(channels * pool, channels * grow, placement, bias: false, kernel: 1);
        RegisterComponents();
    }

    /// <summary>Each frame becomes <paramref name="frames"/>: block j of the channels is the j-th.</summary>
    public static TinyTime Grow(long channels, long frames, Placement placement) => new(channels, frames, 1, placement);

    /// <summary>Each <paramref name="frames"/> become one; their channels lie one after another.</summary>
    public static TinyTime Pool(long channels, long frames, Placement placement) => new(channels, 1, frames, placement);

    /// <summary>The weights that make each of the frames of one: <c>[C, C]</c>, outputs first.</summary>
    public IEnumerable<Tensor> Growths => _convolution.Weight.flatten(1).chunk(_grow, 0);

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, FrameMemory? memory)
    {
        using var scope = NewDisposeScope();
        long[] s = input.shape;
        Tensor output = _convolution.forward(input.reshape(s[0], s[1] / _pool, s[2] * _pool, s[3], s[4]), memory);
        return output.reshape(s[0], output.size(1) * _grow, s[2], s[3], s[4]).MoveToOuterDisposeScope();
    }
}
