using TorchSharp.Utils;
using TurboDiffusion.Attention;
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
        Tensor q = QueryLayer.call(input), k = KeyLayer.call(input), v = ValueLayer.call(input);
        Tensor? attended = _operator.AttendProjections(q, k, v, new(QueryNorm.Weight, KeyNorm.Weight, rotary.Cosines, rotary.Sines, QueryNorm.Eps));
        if (attended is null)
        {
            (q, k) = rotary.NormalizeAndRotate(q, k, QueryNorm, KeyNorm);
            attended = _operator.call(q, k, Heads(v));
        }
        return Output(attended).MoveToOuterDisposeScope();
    }
}
