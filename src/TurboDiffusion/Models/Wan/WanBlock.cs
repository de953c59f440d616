using TorchSharp.Utils;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace TurboDiffusion.Models.Wan;

/// <summary>
/// One transformer block: modulated self-attention, cross-attention to the text (and an image), modulated feed-forward, each added to
/// the residual stream.
/// </summary>
public sealed class WanBlock : nn.Module
{
    [ComponentName(Name = "modulation")]
    private readonly Parameter _modulation;

    [ComponentName(Name = "self_attn")]
    private readonly SelfAttention _selfAttention;

    [ComponentName(Name = "norm3")]
    private readonly LayerNorm _crossNorm;

    [ComponentName(Name = "cross_attn")]
    private readonly CrossAttention _crossAttention;

    [ComponentName(Name = "ffn")]
    private readonly FeedForward _feedForward;

    private readonly double _eps;

    /// <summary>Creates the block; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="config">The model's dimensions.</param>
    /// <param name="attention">The self-attention operator.</param>
    /// <param name="weights">Number format of the linear layers.</param>
    /// <param name="placement">Device and dtype; the modulation stays in float32.</param>
    public WanBlock(WanConfig config, AttentionOptions attention, WeightFormat weights, Placement placement)
        : base(nameof(WanBlock))
    {
        _eps = config.Eps;
        _modulation = placement.Empty(ScalarType.Float32, 1, 6, config.Dim);
        _selfAttention = new SelfAttention(config, attention, weights, placement);
        _crossNorm = new LayerNorm(config.Dim, config.Eps, placement);
        _crossAttention = new CrossAttention(config, weights, placement);
        _feedForward = new FeedForward(config.Dim, config.FfnDim, config.Dim, weights, placement);
        RegisterComponents();
    }

    /// <summary>The text's and the image's keys and values for this block.</summary>
    /// <param name="text">Embedded text <c>[B, S, dim]</c>.</param>
    /// <param name="image">Embedded image <c>[B, S, dim]</c>, for a model with an image branch; null: none.</param>
    public CrossKeys Project(Tensor text, Tensor? image = null) => _crossAttention.Project(text, image);

    internal CrossKeys Project(Tensor text, Tensor? image, long? distinct) => _crossAttention.Project(text, image, distinct);

    /// <summary>Runs the block.</summary>
    /// <param name="x">Hidden states <c>[B, L, dim]</c>.</param>
    /// <param name="time">The projected time embedding <c>[B, 6, dim]</c>, float32.</param>
    /// <param name="context">What <see cref="Project(Tensor, Tensor?, long?)"/> gave.</param>
    /// <param name="rotary">The rotations of the L positions.</param>
    /// <param name="observe">Told of every value, by its name in the block.</param>
    /// <returns><c>[B, L, dim]</c></returns>
    public Tensor Forward(Tensor x, Tensor time, CrossKeys context, RotaryEmbedding rotary, Observer? observe = null) =>
        Forward(x, time, context, rotary, observe, default);

    /// <summary>
    /// As the public form, with a time for each token where <paramref name="times"/> has rows: <paramref name="time"/> is then <c>[U, 6,
    /// dim]</c>.
    /// </summary>
    internal Tensor Forward(
        Tensor x, Tensor time, CrossKeys context, RotaryEmbedding rotary, Observer? observe, TokenTimes times,
        CausalAttention? causal = null)
    {
        using var scope = NewDisposeScope();
        Tensor[] m = [.. (time + _modulation).chunk(6, dim: 1).Select(times.Spread)];
        (Tensor shift1, Tensor scale1, Tensor gate1, Tensor shift2, Tensor scale2, Tensor gate2) = (m[0], m[1], m[2], m[3], m[4], m[5]);

        // x + gate·o(attention(LN(x)·(1 + scale) + shift))
        Norm norm1 = Norm.Modulated(scale1, shift1, _eps);
        Operand a = _selfAttention.Prepare(x, norm1);
        observe?.Invoke("norm1", () => norm1.Apply(x, x.dtype));
        Operand attended = _selfAttention.Attend(a, rotary, observe, causal);
        Tensor y = _selfAttention.Output.MultiplyAdd(attended, x, gate1);
        observe?.Invoke("self_attn", () => _selfAttention.Output.Multiply(attended));

        // y + o(attention(norm3(y), context))
        Operand c = _crossAttention.Prepare(y, _crossNorm.Norm);
        observe?.Invoke("norm3", () => _crossNorm.call(y));
        Operand crossed = _crossAttention.Attend(c, context, observe);
        Tensor z = _crossAttention.Output.MultiplyAdd(crossed, y);
        observe?.Invoke("cross_attn", () => _crossAttention.Output.Multiply(crossed));

        // z + gate·ffn(LN(z)·(1 + scale) + shift)
        Norm norm2 = Norm.Modulated(scale2, shift2, _eps);
        Operand f = _feedForward.In.Prepare(z, norm2);
        observe?.Invoke("norm2", () => norm2.Apply(z, z.dtype));
        Operand activated = _feedForward.In.MultiplyGelu(f);
        observe?.Invoke("ffn.0", () => Gelu.Tanh(_feedForward.In.Multiply(f)));
        Tensor output = _feedForward.Out.MultiplyAdd(activated, z, gate2);
        observe?.Invoke("ffn", () => _feedForward.Out.Multiply(activated));
        return output.MoveToOuterDisposeScope();
    }
}
