using TorchSharp.Utils;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.UMT5;

/// <summary>One block of the encoder: x += attention(norm(x)); x += feed-forward(norm(x)).</summary>
internal sealed class UMT5Block : nn.Module<Tensor, Tensor, Tensor, Tensor>
{
    [ComponentName(Name = "norm1")]
    private readonly RmsNorm _attentionNorm;

    [ComponentName(Name = "attn")]
    private readonly SelfAttention _attention;

    [ComponentName(Name = "norm2")]
    private readonly RmsNorm _feedForwardNorm;

    [ComponentName(Name = "ffn")]
    private readonly GatedFeedForward _feedForward;

    [ComponentName(Name = "pos_embedding")]
    private readonly RelativePosition _position;

    public UMT5Block(UMT5Config config, WeightFormat weights, Placement placement)
        : base(nameof(UMT5Block))
    {
        _attentionNorm = new RmsNorm(config.Dim, config.Eps, placement);
        _attention = new SelfAttention(config, weights, placement);
        _feedForwardNorm = new RmsNorm(config.Dim, config.Eps, placement);
        _feedForward = new GatedFeedForward(config, weights, placement);
        _position = new RelativePosition(config, placement);
        RegisterComponents();
    }

    /// <param name="x"><c>[B, L, dim]</c>.</param>
    /// <param name="padding">True where a key is padding, <c>[B, 1, 1, L]</c>, bool.</param>
    /// <param name="buckets">From <see cref="RelativePosition.Buckets"/>, <c>[L, L]</c>, on the device of the weights.</param>
    public override Tensor forward(Tensor x, Tensor padding, Tensor buckets)
    {
        using var scope = NewDisposeScope();
        Tensor attended = x + _attention.forward(_attentionNorm.forward(x), padding, _position.forward(buckets));
        return (attended + _feedForward.forward(_feedForwardNorm.forward(attended))).MoveToOuterDisposeScope();
    }
}
