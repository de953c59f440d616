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
    private readonly ModuleList<FloatLinear> _gate;

    [ComponentName(Name = "fc1")]
    private readonly FloatLinear _up;

    [ComponentName(Name = "fc2")]
    private readonly FloatLinear _down;

    public GatedFeedForward(UMT5Config config, Placement placement)
        : base(nameof(GatedFeedForward))
    {
        _gate = new ModuleList<FloatLinear>(new FloatLinear(config.Dim, config.DimFfn, placement, bias: false));
        _up = new FloatLinear(config.Dim, config.DimFfn, placement, bias: false);
        _down = new FloatLinear(config.DimFfn, config.Dim, placement, bias: false);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        Tensor gate = nn.functional.gelu(_gate[0].forward(x), GELU.Approximate.tanh);
        return _down.forward(_up.forward(x) * gate).MoveToOuterDisposeScope();
    }
}
