using TorchSharp.Utils;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>Self-attention: q, k (normed over the whole width, rotated), v, the attention operator, the output layer.</summary>
public sealed class SelfAttention : AttentionLayer<RotaryEmbedding>
{
    [ComponentName(Name = "attn_op")]
    private readonly AttentionOperator _operator;

    /// <summary>Creates the module; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="config">The model's dimensions.</param>
    /// <param name="attention">The attention operator.</param>
    /// <param name="weights">Number format of the linear layers.</param>
    /// <param name="placement">Device and dtype.</param>
    public SelfAttention(WanConfig config, AttentionOptions attention, WeightFormat weights, Placement placement)
        : base(nameof(SelfAttention), config, weights, placement)
    {
        _operator = AttentionOperator.Create(attention, config.HeadDim, placement);
        RegisterComponents();
    }

    /// <summary>Attends.</summary>
    /// <param name="input">Hidden states <c>[B, L, dim]</c>.</param>
    /// <param name="rotary">The rotations of the L positions.</param>
    /// <returns><c>[B, L, dim]</c></returns>
    public override Tensor forward(Tensor input, RotaryEmbedding rotary)
    {
        using var scope = NewDisposeScope();
        return Output(Attend(QueryLayer.call(input), KeyLayer.call(input), ValueLayer.call(input), rotary)).MoveToOuterDisposeScope();
    }

    /// <summary>The whole first part of a block, x + gate·forward(LN(x)·(1 + scale) + shift).</summary>
    /// <param name="x"><c>[B, L, dim]</c></param>
    /// <param name="scale">Float32 <c>[B, 1, dim]</c>.</param>
    /// <param name="shift">Float32 <c>[B, 1, dim]</c>.</param>
    /// <param name="gate">Float32 <c>[B, 1, dim]</c>.</param>
    /// <param name="eps">ε of the normalisation.</param>
    /// <param name="rotary">The rotations of the L positions.</param>
    /// <param name="observe">Sees what <see cref="forward"/> gave, which the kernels otherwise never hold.</param>
    /// <returns><c>[B, L, dim]</c></returns>
    internal Tensor AddGated(
        Tensor x, Tensor scale, Tensor shift, Tensor gate, double eps, RotaryEmbedding rotary, Action<Tensor>? observe = null)
    {
        if (observe is null && TakesInt8(x)) return AddGatedInt8(x, scale, shift, gate, eps, rotary);
        using var scope = NewDisposeScope();
        Tensor attended = call(LayerNorm.Modulate(x, scale, shift, eps, x.dtype), rotary);
        observe?.Invoke(attended);
        return x.addcmul(attended, gate.to_type(x.dtype), 1).MoveToOuterDisposeScope();
    }

    /// <summary><see cref="AddGated"/> of int8 layers: the input is quantized once.</summary>
    internal Tensor AddGatedInt8(Tensor x, Tensor scale, Tensor shift, Tensor gate, double eps, RotaryEmbedding rotary)
    {
        using var scope = NewDisposeScope();
        (Tensor Values, Tensor Scales) input = BlockInt8.QuantizeModulated(x, scale, shift, eps);
        Tensor Project(LinearLayer layer) => ((Int8Linear)layer).Multiply(input, x);
        Tensor attended = Attend(Project(QueryLayer), Project(KeyLayer), Project(ValueLayer), rotary);
        return ((Int8Linear)OutputLayer).AddGated(attended.flatten(2), x, gate).MoveToOuterDisposeScope();
    }

    // [B, L, dim] each to [B, L, H, D].
    private Tensor Attend(Tensor q, Tensor k, Tensor v, RotaryEmbedding rotary)
    {
        using var scope = NewDisposeScope();
        Tensor? attended = _operator.AttendProjections(q, k, v, new(QueryNorm.Weight, KeyNorm.Weight, rotary.Cosines, rotary.Sines, QueryNorm.Eps));
        if (attended is null)
        {
            (q, k) = rotary.NormalizeAndRotate(q, k, QueryNorm, KeyNorm);
            attended = _operator.call(q, k, Heads(v));
        }
        return attended.MoveToOuterDisposeScope();
    }
}
