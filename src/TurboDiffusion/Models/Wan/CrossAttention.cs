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
public sealed class CrossAttention : AttentionLayer<(Tensor Keys, Tensor Values)>
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
        return (Keys(text).MoveToOuterDisposeScope(), Values(text).MoveToOuterDisposeScope());
    }

    /// <summary>Attends.</summary>
    /// <param name="input">Hidden states <c>[B, L, dim]</c>.</param>
    /// <param name="text">What <see cref="Project"/> gave.</param>
    /// <returns><c>[B, L, dim]</c></returns>
    public override Tensor forward(Tensor input, (Tensor Keys, Tensor Values) text)
    {
        using var scope = NewDisposeScope();
        return Output(DenseAttention.Attend(Queries(input), text.Keys, text.Values)).MoveToOuterDisposeScope();
    }

    /// <summary>The whole second part of a block, x + forward(norm(x)).</summary>
    /// <param name="x"><c>[B, L, dim]</c></param>
    /// <param name="norm">The block's norm.</param>
    /// <param name="text">What <see cref="Project"/> gave.</param>
    /// <param name="observe">Sees what <see cref="forward"/> gave, which the kernels otherwise never hold.</param>
    /// <returns><c>[B, L, dim]</c></returns>
    internal Tensor Add(Tensor x, LayerNorm norm, (Tensor Keys, Tensor Values) text, Action<Tensor>? observe = null)
    {
        if (observe is null && TakesInt8(x)) return AddInt8(x, norm, text);
        using var scope = NewDisposeScope();
        Tensor crossed = call(norm.call(x), text);
        observe?.Invoke(crossed);
        return (x + crossed).MoveToOuterDisposeScope();
    }

    /// <summary><see cref="Add"/> of int8 layers.</summary>
    internal Tensor AddInt8(Tensor x, LayerNorm norm, (Tensor Keys, Tensor Values) text)
    {
        using var scope = NewDisposeScope();
        Tensor q = ((Int8Linear)QueryLayer).Multiply(BlockInt8.QuantizeNormalized(x, norm.Weight, norm.Bias, norm.Eps), x);
        Tensor attended = DenseAttention.Attend(Heads(QueryNorm.call(q)), text.Keys, text.Values);
        return ((Int8Linear)OutputLayer).AddGated(attended.flatten(2), x, gate: null).MoveToOuterDisposeScope();
    }
}
