using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>Layer normalisation of the last axis, with weight and bias. libtorch computes it in float32 for every dtype.</summary>
public sealed class LayerNorm : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter _bias;

    private readonly double _eps;

    /// <summary>Creates the layer; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="features">Size of the last axis.</param>
    /// <param name="eps">ε.</param>
    /// <param name="placement">Device and dtype of weight and bias.</param>
    public LayerNorm(long features, double eps, Placement placement)
        : base(nameof(LayerNorm))
    {
        _eps = eps;
        _weight = placement.Empty(features);
        _bias = placement.Empty(features);
        RegisterComponents();
    }

    /// <summary>The weight, <c>[features]</c>.</summary>
    internal Tensor Weight => _weight;

    /// <summary>The bias, <c>[features]</c>.</summary>
    internal Tensor Bias => _bias;

    /// <summary>ε.</summary>
    internal double Eps => _eps;

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return nn.functional.layer_norm(input, [input.shape[^1]], _weight.to_type(input.dtype), _bias.to_type(input.dtype), _eps).MoveToOuterDisposeScope();
    }

    /// <summary>Without weight and bias, then modulated: LN(x)·(1 + scale) + shift.</summary>
    /// <param name="x"><c>[B, L, dim]</c></param>
    /// <param name="scale"><c>[B, 1, dim]</c>, float32.</param>
    /// <param name="shift"><c>[B, 1, dim]</c>, float32.</param>
    /// <param name="eps">ε.</param>
    /// <param name="dtype">Of the result and of what is held in memory on the way; sums and products are float32 in any.</param>
    /// <returns><c>[B, L, dim]</c></returns>
    public static Tensor Modulate(Tensor x, Tensor scale, Tensor shift, double eps, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        Tensor normalised = nn.functional.layer_norm(x.to_type(dtype), [x.shape[^1]], eps: eps);
        return shift.to_type(dtype).addcmul(normalised, (scale + 1).to_type(dtype), 1).MoveToOuterDisposeScope();
    }
}
