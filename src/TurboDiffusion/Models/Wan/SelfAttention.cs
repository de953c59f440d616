using TorchSharp.Utils;
using TurboDiffusion.Attention;
using TurboDiffusion.Models.Layers;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>Self-attention: q, k (normed over the whole width, rotated), v, the attention operator, the output layer.</summary>
public sealed class SelfAttention : nn.Module<Tensor, RotaryEmbedding, Tensor>
{
    [ComponentName(Name = "q")]
    private readonly LinearLayer _q;

    [ComponentName(Name = "k")]
    private readonly LinearLayer _k;

    [ComponentName(Name = "v")]
    private readonly LinearLayer _v;

    [ComponentName(Name = "o")]
    private readonly LinearLayer _o;

    [ComponentName(Name = "norm_q")]
    private readonly RmsNorm _normQ;

    [ComponentName(Name = "norm_k")]
    private readonly RmsNorm _normK;

    [ComponentName(Name = "attn_op")]
    private readonly AttentionOperator _operator;

    private readonly int _headDim;

    /// <summary>Creates the module; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="config">The model's dimensions.</param>
    /// <param name="attention">The attention operator.</param>
    /// <param name="weights">Number format of the linear layers.</param>
    /// <param name="placement">Device and dtype.</param>
    public SelfAttention(WanConfig config, AttentionOptions attention, WeightFormat weights, Placement placement)
        : base(nameof(SelfAttention))
    {
        _headDim = config.HeadDim;
        _q = weights.Linear(config.Dim, config.Dim, placement);
        _k = weights.Linear(config.Dim, config.Dim, placement);
        _v = weights.Linear(config.Dim, config.Dim, placement);
        _o = weights.Linear(config.Dim, config.Dim, placement);
        _normQ = new RmsNorm(config.Dim, config.Eps, placement);
        _normK = new RmsNorm(config.Dim, config.Eps, placement);
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
        Tensor q = rotary.Rotate(Heads(_normQ.call(_q.call(input))));
        Tensor k = rotary.Rotate(Heads(_normK.call(_k.call(input))));
        Tensor v = Heads(_v.call(input));
        return _o.call(_operator.call(q, k, v).flatten(2)).MoveToOuterDisposeScope();
    }

    private Tensor Heads(Tensor x) => x.unflatten(2, [-1, _headDim]);
}
