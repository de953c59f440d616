using TorchSharp.Utils;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace TurboDiffusion.Models.Wan;

/// <summary>The output head: modulated norm and a linear layer to patches. In float32, like the time embedding.</summary>
public sealed class WanHead : nn.Module
{
    [ComponentName(Name = "modulation")]
    private readonly Parameter _modulation;

    [ComponentName(Name = "head")]
    private readonly FloatLinear _linear;

    private readonly double _eps;

    /// <summary>Creates the module; its values come from a checkpoint or an initialiser.</summary>
    /// <param name="config">The model's dimensions.</param>
    /// <param name="placement">Device of the weights.</param>
    public WanHead(WanConfig config, Placement placement)
        : base(nameof(WanHead))
    {
        Placement exact = placement with { Dtype = ScalarType.Float32 };
        _eps = config.Eps;
        _modulation = exact.Empty(1, 2, config.Dim);
        _linear = new FloatLinear(config.Dim, config.OutDim * WanConfig.PatchFrames * WanConfig.PatchSize * WanConfig.PatchSize, exact);
        RegisterComponents();
    }

    /// <summary>Runs the head.</summary>
    /// <param name="input">Hidden states <c>[B, L, dim]</c>.</param>
    /// <param name="time">The time embedding <c>[B, dim]</c> or <c>[U, dim]</c>, float32.</param>
    /// <param name="times">Of each token, which of them is its own.</param>
    /// <returns>Patches <c>[B, L, 4·out]</c>, float32.</returns>
    internal Tensor Forward(Tensor input, Tensor time, TokenTimes times)
    {
        using var scope = NewDisposeScope();
        Tensor[] m = (time.unsqueeze(1) + _modulation).chunk(2, dim: 1);
        return _linear.call(Norm.Modulated(scale: times.Spread(m[1]), shift: times.Spread(m[0]), _eps).Apply(input, ScalarType.Float32))
            .MoveToOuterDisposeScope();
    }
}
