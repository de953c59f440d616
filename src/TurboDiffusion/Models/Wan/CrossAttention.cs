using TurboDiffusion.Attention;
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
}
