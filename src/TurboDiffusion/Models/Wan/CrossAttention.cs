using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>
/// Cross-attention to the text. The text's keys and values do not depend on the step, so they are computed once per
/// generation (<see cref="Project"/>) and given to every call.
/// </summary>
public sealed class CrossAttention : AttentionLayer
{
    /// <summary>Creates the module; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="config">The model's dimensions.</param>
    /// <param name="weights">Number format of the linear layers.</param>
    /// <param name="placement">Device and dtype.</param>
    public CrossAttention(WanConfig config, WeightFormat weights, Placement placement)
        : base(nameof(CrossAttention), config, weights, placement) => RegisterComponents();

    /// <summary>The keys and values of a text.</summary>
    /// <param name="text">Embedded text <c>[B, S, dim]</c>.</param>
    /// <returns>Two tensors <c>[B, S, H, D]</c>.</returns>
    public (Tensor Keys, Tensor Values) Project(Tensor text)
    {
        using var scope = NewDisposeScope();
        Operand shared = KeyLayer.Prepare(text);
        Tensor keys = Heads(KeyNorm.call(KeyLayer.Multiply(shared))), values = Heads(ValueLayer.Multiply(shared));
        return (keys.MoveToOuterDisposeScope(), values.MoveToOuterDisposeScope());
    }

    /// <summary>Attends.</summary>
    /// <param name="x">From <see cref="AttentionLayer.Prepare"/>.</param>
    /// <param name="text">What <see cref="Project"/> gave.</param>
    /// <param name="observe">Told of the projection.</param>
    /// <returns>What the output layer multiplies.</returns>
    internal Operand Attend(Operand x, (Tensor Keys, Tensor Values) text, Observer? observe = null)
    {
        using var scope = NewDisposeScope();
        Tensor q = QueryLayer.Multiply(x);
        observe?.Invoke("cross_attn.q", () => q);
        Tensor heads = DenseAttention.Attend(Heads(QueryNorm.call(q)), text.Keys, text.Values);
        observe?.Invoke("cross_attn.attn_op", () => heads);
        return OutputLayer.Prepare(heads.flatten(2)).MoveToOuterDisposeScope();
    }
}
