using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;
using Linear = TurboDiffusion.Models.Layers.Linear;

namespace TurboDiffusion.Models.UMT5;

/// <summary>The feed-forward layer, W₂(W₁x · GELU(Wg x)), with the tanh form of GELU: <c>[..., dim] → [..., dim]</c>.</summary>
internal sealed class GatedFeedForward : nn.Module<Tensor, Tensor>
{
    // A list, because the official module is a sequence of a linear layer and an activation: the key is gate.0.weight.
    [ComponentName(Name = "gate")]
    private readonly ModuleList<Linear> _gate;

    [ComponentName(Name = "fc1")]
    private readonly Linear _up;

    [ComponentName(Name = "fc2")]
    private readonly Linear _down;

    public GatedFeedForward(UMT5Config config, Placement placement)
        : base(nameof(GatedFeedForward))
    {
        _gate = new ModuleList<Linear>(new Linear(config.Dim, config.DimFfn, placement, bias: false));
        _up = new Linear(config.Dim, config.DimFfn, placement, bias: false);
        _down = new Linear(config.DimFfn, config.Dim, placement, bias: false);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        Tensor gate = nn.functional.gelu(_gate[0].forward(x), GELU.Approximate.tanh);
        return _down.forward(_up.forward(x) * gate).MoveToOuterDisposeScope();
    }
}
