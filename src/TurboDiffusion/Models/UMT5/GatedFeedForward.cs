using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.UMT5;

/// <summary>The feed-forward layer, W₂(W₁x · GELU(Wg x)), with the tanh form of GELU: <c>[..., dim] → [..., dim]</c>.</summary>
internal sealed class GatedFeedForward : nn.Module<Tensor, Tensor>
{
    // A list, because the official module is a sequence of a linear layer and an activation: the key is gate.0.weight.
    [ComponentName(Name = "gate")]
    private readonly ModuleList<LinearLayer> _gate;

    [ComponentName(Name = "fc1")]
    private readonly LinearLayer _up;

    [ComponentName(Name = "fc2")]
    private readonly LinearLayer _down;

    public GatedFeedForward(UMT5Config config, WeightFormat weights, Placement placement)
        : base(nameof(GatedFeedForward))
    {
        _gate = new ModuleList<LinearLayer>(weights.WeightsAlone(config.Dim, config.DimFfn, placement));
        _up = weights.WeightsAlone(config.Dim, config.DimFfn, placement);
        _down = weights.WeightsAlone(config.DimFfn, config.Dim, placement);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        Operand input = _up.Prepare(x);
        Tensor gate = nn.functional.gelu(_gate[0].Multiply(input), GELU.Approximate.tanh);
        return _down.forward(_up.Multiply(input) * gate).MoveToOuterDisposeScope();
    }
}
