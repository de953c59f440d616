using TorchSharp.Utils;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.UMT5;

/// <summary>
/// Multi-head self-attention of <c>[B, L, dim]</c> as in T5: no bias, and scores that are not scaled by 1/√d. Scores
/// and softmax are float32.
/// </summary>
internal sealed class SelfAttention : nn.Module<Tensor, Tensor, Tensor, Tensor>
{
    [ComponentName(Name = "q")]
    private readonly LinearLayer _query;

    [ComponentName(Name = "k")]
    private readonly LinearLayer _key;

    [ComponentName(Name = "v")]
    private readonly LinearLayer _value;

    [ComponentName(Name = "o")]
    private readonly LinearLayer _output;

    private readonly long _heads;

    public SelfAttention(UMT5Config config, WeightFormat weights, Placement placement)
        : base(nameof(SelfAttention))
    {
        _heads = config.NumHeads;
        _query = weights.WeightsAlone(config.Dim, config.DimAttn, placement);
        _key = weights.WeightsAlone(config.Dim, config.DimAttn, placement);
        _value = weights.WeightsAlone(config.Dim, config.DimAttn, placement);
        _output = weights.WeightsAlone(config.DimAttn, config.Dim, placement);
        RegisterComponents();
    }

    /// <param name="x"><c>[B, L, dim]</c>.</param>
    /// <param name="padding">True where a key is padding, <c>[B, 1, 1, L]</c>, bool.</param>
    /// <param name="bias">Added to the scores, <c>[1, heads, L, L]</c>.</param>
    public override Tensor forward(Tensor x, Tensor padding, Tensor bias)
    {
        using var scope = NewDisposeScope();
        Operand input = _query.Prepare(x);
        Tensor scores = Heads(_query, input).matmul(Heads(_key, input).transpose(-1, -2)).to_type(ScalarType.Float32) + bias;
        // The lowest finite number, not −∞: a row without any key stays finite, as in the reference.
        Tensor attention = scores.masked_fill_(padding, float.MinValue).softmax(-1).to_type(x.dtype);
        Tensor mixed = attention.matmul(Heads(_value, input)).transpose(1, 2).flatten(2);
        return _output.forward(mixed).MoveToOuterDisposeScope();
    }

    /// <summary><c>[B, L, dim]</c> → <c>[B, heads, L, head_dim]</c>.</summary>
    private Tensor Heads(LinearLayer projection, Operand x) =>
        projection.Multiply(x).unflatten(2, [_heads, -1]).transpose(1, 2);
}
