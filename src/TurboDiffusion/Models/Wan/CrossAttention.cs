using TorchSharp.Utils;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>
/// Cross-attention to the text and, of a model with an image branch, to an image: each by a softmax of its own, and the two are added
/// before the output layer. Keys and values do not depend on the step, so they are computed once per generation
/// (<see cref="Project(Tensor, Tensor?, long?)"/>) and given to every call.
/// </summary>
/// <remarks>Wan-Video/Wan2.1, aa843f5, <c>wan/modules/model.py</c>, <c>WanT2VCrossAttention</c>, <c>WanI2VCrossAttention</c>.</remarks>
public sealed class CrossAttention : AttentionLayer
{
    [ComponentName(Name = "k_img")]
    private readonly LinearLayer? _imageKeyLayer;

    [ComponentName(Name = "v_img")]
    private readonly LinearLayer? _imageValueLayer;

    [ComponentName(Name = "norm_k_img")]
    private readonly RmsNorm? _imageKeyNorm;

    /// <summary>Creates the module; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="config">The model's dimensions.</param>
    /// <param name="weights">Number format of the linear layers.</param>
    /// <param name="placement">Device and dtype.</param>
    public CrossAttention(WanConfig config, WeightFormat weights, Placement placement)
        : base(nameof(CrossAttention), config, weights, placement)
    {
        if (config.HasImageBranch)
        {
            _imageKeyLayer = weights.Linear(config.Dim, config.Dim, placement);
            _imageValueLayer = weights.Linear(config.Dim, config.Dim, placement);
            _imageKeyNorm = new RmsNorm(config.Dim, config.Eps, placement);
        }
        RegisterComponents();
    }

    /// <summary>The keys and values of a text and an image.</summary>
    /// <param name="text">Embedded text <c>[B, S, dim]</c>.</param>
    /// <param name="image">Embedded image <c>[B, S, dim]</c>, for a model with an image branch; null: none.</param>
    public CrossKeys Project(Tensor text, Tensor? image = null) => Project(text, image, null);

    /// <summary>The same of a padded text.</summary>
    /// <param name="text">As above.</param>
    /// <param name="image">As above.</param>
    /// <param name="distinct">From this row on the text's rows are that of the row before it; null: they may all differ.</param>
    internal CrossKeys Project(Tensor text, Tensor? image, long? distinct)
    {
        using var scope = NewDisposeScope();
        KeyValues ofText = KeysAndValues(text, KeyLayer, KeyNorm, ValueLayer) with { Distinct = distinct };
        if (distinct is { } rows)
        {
            // In int8, a padding row that shares its block with the text is rounded more coarsely than the others, and stands for all.
            foreach (Tensor x in new[] { ofText.Keys, ofText.Values })
                x.narrow(1, rows - 1, 1).copy_(x.narrow(1, x.size(1) - 1, 1));
        }
        KeyValues? ofImage = image is null || _imageKeyLayer is null ? null
            : KeysAndValues(image, _imageKeyLayer, _imageKeyNorm!, _imageValueLayer!);
        return new CrossKeys(ofText, ofImage).MoveToOuterDisposeScope();
    }

    /// <summary>Attends.</summary>
    /// <param name="x">From <see cref="AttentionLayer.Prepare"/>.</param>
    /// <param name="context">What <see cref="Project(Tensor, Tensor?, long?)"/> gave.</param>
    /// <param name="observe">Told of the projection.</param>
    /// <returns>What the output layer multiplies.</returns>
    internal Operand Attend(Operand x, CrossKeys context, Observer? observe = null)
    {
        using var scope = NewDisposeScope();
        Tensor q = QueryLayer.Multiply(x);
        observe?.Invoke("cross_attn.q", () => q);
        Tensor queries = Heads(QueryNorm.call(q)), heads = DenseAttention.Attend(
            queries, context.Text.Keys, context.Text.Values, context.Text.Distinct);
        // One image may serve a batch.
        if (context.Image?.Expand(queries.size(0)) is { } image) heads += DenseAttention.Attend(queries, image.Keys, image.Values);
        observe?.Invoke("cross_attn.attn_op", () => heads);
        return OutputLayer.Prepare(heads.flatten(2)).MoveToOuterDisposeScope();
    }

    private KeyValues KeysAndValues(Tensor sequence, LinearLayer keys, RmsNorm norm, LinearLayer values)
    {
        Operand shared = keys.Prepare(sequence);
        return new KeyValues(Heads(norm.call(keys.Multiply(shared))), Heads(values.Multiply(shared)));
    }
}
