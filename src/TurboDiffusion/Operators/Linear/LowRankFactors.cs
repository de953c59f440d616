using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// A change of low rank that is trained beside a linear layer's weights, which stay as they are: W' = W + α/rank · B·A. In float32,
/// whatever the weights are.
/// </summary>
/// <remarks>LoRA: arXiv 2106.09685, section 4.</remarks>
public sealed class LowRankFactors
{
    /// <summary>What A is called within its layer.</summary>
    internal const string DownName = "lora_down";

    /// <summary>What B is called within its layer.</summary>
    internal const string UpName = "lora_up";

    /// <summary>Creates the factors; their values come from an initialiser or a saved state.</summary>
    /// <param name="layer">The layer that they change.</param>
    /// <param name="rank">Rows of A.</param>
    /// <param name="alpha">α.</param>
    /// <param name="device">Where the layer's weights are.</param>
    internal LowRankFactors(LinearLayer layer, int rank, double alpha, Device device)
    {
        var placement = new Placement(device, ScalarType.Float32);
        Alpha = alpha;
        Down = new FloatLinear(layer.InFeatures, rank, placement, bias: false);
        Up = new FloatLinear(rank, layer.OutFeatures, placement, bias: false);
    }

    /// <summary>A, <c>[rank, in]</c>.</summary>
    public FloatLinear Down { get; }

    /// <summary>B, <c>[out, rank]</c>.</summary>
    public FloatLinear Up { get; }

    /// <summary>α.</summary>
    public double Alpha { get; }

    private double Scale => Alpha / Down.OutFeatures;

    /// <summary>What the change adds to the layer's output: α/rank · B·A·x.</summary>
    /// <param name="x"><c>[..., in]</c></param>
    /// <returns><c>[..., out]</c> in x's dtype, in which it is computed.</returns>
    internal Tensor Apply(Tensor x)
    {
        using var scope = NewDisposeScope();
        Tensor narrow = nn.functional.linear(x, Down.Weight.to_type(x.dtype));
        return (nn.functional.linear(narrow, Up.Weight.to_type(x.dtype)) * Scale).MoveToOuterDisposeScope();
    }

    /// <summary>The changed weights, as a merged checkpoint has them.</summary>
    /// <param name="weight">W, float32 <c>[out, in]</c>.</param>
    /// <returns>W', float32 <c>[out, in]</c>.</returns>
    internal Tensor AddTo(Tensor weight) => weight.addmm(Up.Weight, Down.Weight, beta: 1, alpha: (float)Scale);
}
