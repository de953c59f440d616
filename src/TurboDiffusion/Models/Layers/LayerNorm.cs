using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Layers;

/// <summary>Layer normalisation of the last axis, computed in float32, with weight and bias.</summary>
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

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Tensor wide = input.to_type(ScalarType.Float32);
        return nn.functional.layer_norm(wide, [wide.shape[^1]], _weight.to_type(ScalarType.Float32), _bias.to_type(ScalarType.Float32), _eps)
            .to_type(input.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Without weight and bias, then modulated: LN(x)·(1 + scale) + shift, all in float32.</summary>
    /// <param name="x"><c>[B, L, dim]</c></param>
    /// <param name="scale"><c>[B, 1, dim]</c>, float32.</param>
    /// <param name="shift"><c>[B, 1, dim]</c>, float32.</param>
    /// <param name="eps">ε.</param>
    /// <returns><c>[B, L, dim]</c>, float32.</returns>
    public static Tensor Modulate(Tensor x, Tensor scale, Tensor shift, double eps)
    {
        using var scope = NewDisposeScope();
        Tensor normalised = nn.functional.layer_norm(x.to_type(ScalarType.Float32), [x.shape[^1]], eps: eps);
        return (normalised * (scale + 1) + shift).MoveToOuterDisposeScope();
    }
}
