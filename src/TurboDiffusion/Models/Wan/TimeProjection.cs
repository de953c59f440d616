using TorchSharp.Utils;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>SiLU-Linear: the time embedding to the six modulation vectors that all blocks share. In float32.</summary>
public sealed class TimeProjection : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "1")]
    private readonly FloatLinear _linear;

    /// <summary>Creates the module; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="config">The model's dimensions.</param>
    /// <param name="placement">Device of the weights.</param>
    public TimeProjection(WanConfig config, Placement placement)
        : base(nameof(TimeProjection))
    {
        _linear = new FloatLinear(config.Dim, 6 * config.Dim, placement with { Dtype = ScalarType.Float32 });
        RegisterComponents();
    }

    /// <summary>Projects the time embedding.</summary>
    /// <param name="input"><c>[B, dim]</c>, float32.</param>
    /// <returns><c>[B, 6, dim]</c>, float32.</returns>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return _linear.call(nn.functional.silu(input)).unflatten(1, [6, -1]).MoveToOuterDisposeScope();
    }
}
