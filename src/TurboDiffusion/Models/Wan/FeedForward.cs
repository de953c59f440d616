using TorchSharp.Utils;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
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

    /// <summary>The whole second half of a block, x + gate·forward(LN(x)·(1 + scale) + shift).</summary>
    /// <param name="x"><c>[B, L, dim]</c></param>
    /// <param name="scale">Float32 <c>[B, 1, dim]</c>.</param>
    /// <param name="shift">Float32 <c>[B, 1, dim]</c>.</param>
    /// <param name="gate">Float32 <c>[B, 1, dim]</c>.</param>
    /// <param name="eps">ε of the normalisation.</param>
    /// <returns><c>[B, L, dim]</c></returns>
    internal Tensor AddGated(Tensor x, Tensor scale, Tensor shift, Tensor gate, double eps)
    {
        if (_in is Int8Linear { Bias: not null } && _out is Int8Linear && KernelPaths.Takes(KernelOperator.Int8Matmul, x))
            return AddGatedInt8(x, scale, shift, gate, eps);
        using var scope = NewDisposeScope();
        return x.addcmul(call(LayerNorm.Modulate(x, scale, shift, eps, x.dtype)), gate.to_type(x.dtype), 1).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// <see cref="AddGated"/> of int8 layers: the values between them stay in int8 and never pass through memory in a wider type.
    /// </summary>
    internal Tensor AddGatedInt8(Tensor x, Tensor scale, Tensor shift, Tensor gate, double eps)
    {
        using var scope = NewDisposeScope();
        Int8Linear first = (Int8Linear)_in, second = (Int8Linear)_out;
        (Tensor Values, Tensor Scales) hidden = Int8Matmul.MultiplyGelu(BlockInt8.QuantizeModulated(x, scale, shift, eps), first.Weights, first.Bias!);
        return Int8Matmul.MultiplyAddGated(hidden, second.Weights, second.Bias, x, gate).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return _out.call(Gelu.Tanh(_in.call(input))).MoveToOuterDisposeScope();
    }
}
