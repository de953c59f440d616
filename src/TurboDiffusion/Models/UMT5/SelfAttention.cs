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
    private readonly FloatLinear _query;

    [ComponentName(Name = "k")]
    private readonly FloatLinear _key;

    [ComponentName(Name = "v")]
    private readonly FloatLinear _value;

    [ComponentName(Name = "o")]
    private readonly FloatLinear _output;

    private readonly long _heads;

    public SelfAttention(UMT5Config config, Placement placement)
        : base(nameof(SelfAttention))
    {
        _heads = config.NumHeads;
        _query = new FloatLinear(config.Dim, config.DimAttn, placement, bias: false);
        _key = new FloatLinear(config.Dim, config.DimAttn, placement, bias: false);
        _value = new FloatLinear(config.Dim, config.DimAttn, placement, bias: false);
        _output = new FloatLinear(config.DimAttn, config.Dim, placement, bias: false);
        RegisterComponents();
    }

    /// <param name="x"><c>[B, L, dim]</c>.</param>
    /// <param name="padding">True where a key is padding, <c>[B, 1, 1, L]</c>, bool.</param>
    /// <param name="bias">Added to the scores, <c>[1, heads, L, L]</c>.</param>
    public override Tensor forward(Tensor x, Tensor padding, Tensor bias)
    {
        using var scope = NewDisposeScope();
        Tensor scores = Heads(_query, x).matmul(Heads(_key, x).transpose(-1, -2)).to_type(ScalarType.Float32) + bias;
        // The lowest finite number, not −∞: a row without any key stays finite, as in the reference.
        Tensor weights = scores.masked_fill_(padding, float.MinValue).softmax(-1).to_type(x.dtype);
        Tensor mixed = weights.matmul(Heads(_value, x)).transpose(1, 2).flatten(2);
        return _output.forward(mixed).MoveToOuterDisposeScope();
    }

    /// <summary><c>[B, L, dim]</c> → <c>[B, heads, L, head_dim]</c>.</summary>
    private Tensor Heads(FloatLinear projection, Tensor x) =>
        projection.forward(x).unflatten(2, [_heads, -1]).transpose(1, 2);
}
