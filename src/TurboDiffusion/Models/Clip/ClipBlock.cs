using TorchSharp.Utils;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Clip;

/// <summary>One block of the image encoder: x + attention(LN(x)), then + feed-forward(LN(x)) with the exact GELU.</summary>
public sealed class ClipBlock : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "norm1")]
    private readonly LayerNorm _attentionNorm;

    [ComponentName(Name = "attn")]
    private readonly ClipAttention _attention;

    [ComponentName(Name = "norm2")]
    private readonly LayerNorm _feedForwardNorm;

    [ComponentName(Name = "mlp")]
    private readonly ClipFeedForward _feedForward;

    /// <summary>Creates the block; its values come from a checkpoint.</summary>
    /// <param name="config">The sizes.</param>
    /// <param name="placement">Device and dtype.</param>
    public ClipBlock(ClipConfig config, Placement placement)
        : base(nameof(ClipBlock))
    {
        _attentionNorm = new LayerNorm(config.Dim, ClipVisionEncoder.Eps, placement);
        _attention = new ClipAttention(config, placement);
        _feedForwardNorm = new LayerNorm(config.Dim, ClipVisionEncoder.Eps, placement);
        _feedForward = new ClipFeedForward(config, placement);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Tensor x = input + _attention.call(_attentionNorm.call(input));
        return (x + _feedForward.call(_feedForwardNorm.call(x))).MoveToOuterDisposeScope();
    }

    private sealed class ClipAttention : nn.Module<Tensor, Tensor>
    {
        [ComponentName(Name = "to_qkv")]
        private readonly FloatLinear _projections;

        [ComponentName(Name = "proj")]
        private readonly FloatLinear _output;

        private readonly int _heads;

        public ClipAttention(ClipConfig config, Placement placement)
            : base(nameof(ClipAttention))
        {
            _heads = config.NumHeads;
            _projections = new FloatLinear(config.Dim, 3 * config.Dim, placement);
            _output = new FloatLinear(config.Dim, config.Dim, placement);
            RegisterComponents();
        }

        // [B, L, dim] in and out.
        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            Tensor[] qkv = _projections.call(input).unflatten(2, [3, _heads, -1]).unbind(2);
            return _output.call(DenseAttention.Attend(qkv[0], qkv[1], qkv[2]).flatten(2)).MoveToOuterDisposeScope();
        }
    }

    private sealed class ClipFeedForward : nn.Module<Tensor, Tensor>
    {
        [ComponentName(Name = "0")]
        private readonly FloatLinear _in;

        [ComponentName(Name = "2")]
        private readonly FloatLinear _out;

        public ClipFeedForward(ClipConfig config, Placement placement)
            : base(nameof(ClipFeedForward))
        {
            _in = new FloatLinear(config.Dim, config.HiddenDim, placement);
            _out = new FloatLinear(config.HiddenDim, config.Dim, placement);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            return _out.call(nn.functional.gelu(_in.call(input))).MoveToOuterDisposeScope();
        }
    }
}
