using TorchSharp.Utils;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>Self-attention: q, k (normed over the whole width, rotated), v, the attention operator, the output layer.</summary>
public sealed class SelfAttention : AttentionLayer
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
    /// <param name="x">From <see cref="AttentionLayer.Prepare"/>.</param>
    /// <param name="rotary">The rotations of the L positions.</param>
    /// <param name="observe">Told of the projections.</param>
    /// <param name="causal">What attends in place of the block's operator; null: that one.</param>
    /// <returns>What the output layer multiplies.</returns>
    internal Operand Attend(Operand x, RotaryEmbedding rotary, Observer? observe = null, CausalAttention? causal = null)
    {
        using var scope = NewDisposeScope();
        Tensor q = QueryLayer.Multiply(x);
        observe?.Invoke("self_attn.q", () => q);
        Tensor k = KeyLayer.Multiply(x);
        observe?.Invoke("self_attn.k", () => k);
        Tensor v = ValueLayer.Multiply(x);
        observe?.Invoke("self_attn.v", () => v);
        var transform = new QueryKeyTransform(QueryNorm.Weight, KeyNorm.Weight, rotary, QueryNorm.Eps);
        Tensor heads;
        if (causal is null)
        {
            heads = _operator.AttendProjections(q, k, v, transform);
        }
        else
        {
            (Tensor queries, Tensor keys) = transform.Apply(q, k);
            heads = causal(queries, keys, Heads(v));
        }
        observe?.Invoke("self_attn.attn_op", () => heads);
        return OutputLayer.Prepare(heads.flatten(2)).MoveToOuterDisposeScope();
    }
}
