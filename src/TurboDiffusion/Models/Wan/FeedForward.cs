using TorchSharp.Utils;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>Linear, GELU (tanh form), Linear. Also the text embedding, in its own sizes.</summary>
public sealed class FeedForward : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "0")]
    private readonly LinearLayer _in;

    [ComponentName(Name = "2")]
    private readonly LinearLayer _out;

    /// <summary>Creates the module; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="inFeatures">Size of the last axis of the input.</param>
    /// <param name="hidden">Width between the two layers.</param>
    /// <param name="outFeatures">Size of the last axis of the output.</param>
    /// <param name="weights">Number format.</param>
    /// <param name="placement">Device and dtype.</param>
    public FeedForward(int inFeatures, int hidden, int outFeatures, WeightFormat weights, Placement placement)
        : base(nameof(FeedForward))
    {
        _in = weights.Linear(inFeatures, hidden, placement);
        _out = weights.Linear(hidden, outFeatures, placement);
        RegisterComponents();
    }

    /// <summary>The first layer.</summary>
    internal LinearLayer In => _in;

    /// <summary>The second layer.</summary>
    internal LinearLayer Out => _out;

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return _out.Multiply(_in.MultiplyGelu(_in.Prepare(input))).MoveToOuterDisposeScope();
    }
}
